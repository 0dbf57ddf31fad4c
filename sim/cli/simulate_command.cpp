#include "sim/cli/simulate_command.hpp"

#include <fmt/format.h>

#include <istream>
#include <ostream>
#include <utility>

#include "analysis/placement/resolve_placement.hpp"
#include "analysis/report/report.hpp"
#include "analysis/report_json.hpp"
#include "analysis/report_text.hpp"
#include "analysis/simulate.hpp"
#include "analysis/trace/exporters.hpp"
#include "analysis/trace/kineto_trace.hpp"
#include "sim/base/output_files.hpp"
#include "sim/base/scenario_files.hpp"
#include "sim/cli/scenario_input.hpp"
#include "sim/cli/terminal.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;

struct SimulateOptions {
  std::string scenario;
  Overrides overrides;
  std::optional<std::string> profile;
  std::optional<Granularity> granularity;
  EngineChoice engine;
  bool json = false;
  bool experiments = true;
  std::optional<std::string> trace;
  const Exporter* exporter = nullptr;  // of `trace`
  std::optional<std::string> report;
  std::string trace_ranks;
  std::optional<std::string> kineto;  // a folder
};

CommandSyntax syntax() {
  CommandSyntax s(
      "simulate SCENARIO [options]",
      "Predicts one training step: time, memory, where the time goes, and what to try next. SCENARIO is a name\n"
      "or a YAML file. Exit code 3 says that the plan is infeasible or does not fit in memory.",
      "trainyard simulate llama3-70b-64xh100 --set plan.tp=4 --trace step.pftrace");
  s.positional("SCENARIO", true);
  add_scenario_options(s);
  std::string formats = "write the timeline; the suffix picks the format:";
  for (const Exporter& exporter : exporters) formats += fmt::format(" {} ({})", exporter.suffix, exporter.summary);
  s.option()("engine", po::value<std::string>()->default_value("analytic")->value_name("NAME"),
             "analytic: transfers take their closed-form time; fluid: they share links, and compute shares its GPU "
             "with them")("all-ranks", "simulate every rank, not one per pipeline stage, and list them all")(
      "no-fold", "simulate also ranks that cannot be told apart one by one: slower, same result")(
      "granularity", po::value<std::string>()->value_name("NAME"),
      "what an instruction is: block, layer or operator (block; operator where every rank is simulated)")(
      "trace", po::value<std::string>()->value_name("FILE"), formats.c_str())(
      "trace-ranks", po::value<std::string>()->default_value("stages")->value_name("RANKS"),
      "ranks that the timeline shows: stages (one of each), all, or a list such as 0,8,16-23")(
      "trace-kineto", po::value<std::string>()->value_name("DIR"),
      "write a file per shown rank as PyTorch's profiler would have, for Holistic Trace Analysis and compare; without "
      "--granularity every operator is an instruction")("report", po::value<std::string>()->value_name("FILE.html"),
                                                        "write a report to share: one self-contained page")(
      "no-experiments", "diagnose without simulating the candidate changes");
  return s;
}

Granularity granularity_from(const std::string& text) {
  if (text == "block") return Granularity::block;
  if (text == "layer") return Granularity::layer;
  if (text == "operator") return Granularity::operator_;
  throw po::error(fmt::format("--granularity is block, layer or operator, not '{}'", text));
}

EngineChoice engine_from(const std::string& text) {
  if (text == "analytic") return {EngineKind::analytic};
  if (text == "fluid") return {EngineKind::fluid};
  throw po::error(fmt::format("--engine is analytic or fluid, not '{}'", text));
}

// Inside a block communication and kernels are not seen: where ranks differ, or share, or kernels are asked for, every
// operator is an instruction.
Granularity granularity_of(const SimulateOptions& options, const Job& job) {
  if (options.granularity) return *options.granularity;
  const bool every_rank =
      options.engine.kind == EngineKind::fluid || options.engine.every_rank || job.cluster.stragglers.any();
  return every_rank || options.kineto ? Granularity::operator_ : Granularity::block;
}

const Exporter* exporter_of(const std::string& path) {
  if (const Exporter* exporter = exporter_for(path)) return exporter;
  std::string known;
  for (const Exporter& exporter : exporters) known += fmt::format("{}{}", known.empty() ? "" : ", ", exporter.suffix);
  throw po::error(fmt::format("--trace '{}' has none of the known suffixes {}", path, known));
}

std::vector<std::string> files_read(const SimulateOptions& options) {
  std::vector<std::string> files = {scenario_file("", options.scenario)};
  if (options.profile) files.push_back(*options.profile);
  return files;
}

std::vector<std::string> files_written(const SimulateOptions& options) {
  std::vector<std::string> files;
  for (const std::optional<std::string>& file : {options.trace, options.report})
    if (file) files.push_back(*file);
  return files;
}

std::optional<SimulateOptions> parse(const std::vector<std::string>& args, std::ostream& out) {
  const std::optional<po::variables_map> given = syntax().parse(args, out);
  if (!given) return std::nullopt;
  SimulateOptions options;
  options.scenario = (*given)["SCENARIO"].as<std::string>();
  options.overrides = overrides_of(*given, "set");
  options.profile = text_of(*given, "profile");
  if (const auto granularity = text_of(*given, "granularity")) options.granularity = granularity_from(*granularity);
  options.engine = engine_from((*given)["engine"].as<std::string>());
  options.engine.every_rank = given->count("all-ranks") != 0;
  options.engine.fold = given->count("no-fold") == 0;
  options.json = given->count("json") != 0;
  options.experiments = given->count("no-experiments") == 0;
  options.trace = text_of(*given, "trace");
  if (options.trace) options.exporter = exporter_of(*options.trace);
  options.report = text_of(*given, "report");
  if (options.report && options.report->empty()) throw po::error("--report is empty");
  options.trace_ranks = (*given)["trace-ranks"].as<std::string>();
  options.kineto = text_of(*given, "trace-kineto");
  if (options.kineto && options.kineto->empty()) throw po::error("--trace-kineto is empty");
  if (!options.trace && !options.kineto && !(*given)["trace-ranks"].defaulted())
    throw po::error("--trace-ranks needs --trace FILE or --trace-kineto DIR");
  return options;
}

}  // namespace

int simulate_command(const std::vector<std::string>& args, std::istream&, std::ostream& out, std::ostream&) {
  const std::optional<SimulateOptions> options = parse(args, out);
  if (!options) return 0;
  Job job = load_job(options->scenario, options->overrides, options->profile);
  require_separate_files(files_read(*options), files_written(*options));
  if (const std::vector<PlanProblem> problems = problems_of(job); !problems.empty())
    return answer_infeasible(job, problems, options->json, out);
  const Routes routes(job.cluster);
  const ChosenPlacement chosen = resolve_placement(job, routes);
  job.plan = chosen.plan;
  SimulatedStep step = simulate_step(job, routes, granularity_of(*options, job), options->engine);
  step.result.placement = chosen.gain;
  if (options->experiments) step.result = diagnosed(job, routes, std::move(step.result));
  if (options->exporter != nullptr)
    export_trace(*options->exporter, *options->trace, job, step,
                 shown_ranks(options->trace_ranks, step, "--trace-ranks"));
  if (options->kineto)
    write_kineto_traces(*options->kineto, job, step, shown_ranks(options->trace_ranks, step, "--trace-ranks"));
  if (options->report) write_whole_file(*options->report, step_report_html(job, step));
  out << (options->json ? report_json(job, step) : report_text(job, step, style_of(out)));
  return step.result.memory.fits ? 0 : infeasible_exit_code;
}

}  // namespace trainyard
