#include "sim/cli/compare_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <istream>
#include <ostream>

#include "analysis/comparison.hpp"
#include "analysis/placement/resolve_placement.hpp"
#include "analysis/simulate.hpp"
#include "analysis/trace/real_comparison.hpp"
#include "sim/base/errors.hpp"
#include "sim/cli/scenario_input.hpp"
#include "sim/cli/terminal.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;

namespace fs = std::filesystem;

constexpr int most_traces = 64;

// Words without a dash are read one by one.
std::string trace_option(int i) { return fmt::format("TRACE {}", i + 1); }

CommandSyntax syntax() {
  CommandSyntax s(
      "compare A [B] [options]\n       trainyard compare SCENARIO TRACE.json[.gz]... [options]",
      "Simulates two scenarios and shows them side by side, term by term. Without B it is A with the changes of\n"
      "--set-b. Exit code 3 says that one of the plans is infeasible; one that does not fit is compared and says so.\n"
      "Where B is a trace that PyTorch's profiler exported, one per rank or a folder of them, the prediction stands\n"
      "beside what was measured: compute by kind of kernel, every collective, exposed communication, idle.",
      "trainyard compare llama3-70b-64xh100 --set-b plan.tp=4\ntrainyard compare before.yaml after.yaml --json\n"
      "trainyard compare my-job.yaml rank-0.json.gz rank-8.json.gz");
  s.positional("A", true);
  s.positional("B", false);
  for (int i = 1; i < most_traces; ++i) s.positional(trace_option(i), false);
  add_scenario_options(s);
  s.option()("set-b", po::value<std::vector<std::string>>()->composing()->value_name("KEY=VALUE"),
             "as --set, but only for B; may be repeated");
  return s;
}

struct CompareOptions {
  std::string a;
  std::string b;
  std::vector<std::string> traces;  // not empty: instead of b
  Overrides a_overrides;
  Overrides b_overrides;  // those of a, then its own
  std::optional<std::string> profile;
  bool json = false;
};

// The traces of a folder, by name; or the path alone.
std::vector<std::string> trace_files(const std::string& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path))
    if (const std::string file = entry.path().string(); file.ends_with(".json") || file.ends_with(".json.gz"))
      files.push_back(file);
  std::sort(files.begin(), files.end());
  if (files.empty()) throw InputError({path, 0, 0}, "holds no trace: no file ends in .json or .json.gz");
  return files;
}

std::vector<std::string> traces_of(const po::variables_map& given) {
  std::vector<std::string> traces;
  const std::optional<std::string> b = text_of(given, "B");
  std::error_code none;
  if (!b || (!fs::is_directory(*b, none) && !looks_like_trace(*b))) return traces;
  traces = trace_files(*b);
  for (int i = 1; i < most_traces; ++i)
    if (const std::optional<std::string> more = text_of(given, trace_option(i)))
      for (std::string& file : trace_files(*more)) traces.push_back(std::move(file));
  return traces;
}

std::optional<CompareOptions> parse(const std::vector<std::string>& args, std::ostream& out) {
  const std::optional<po::variables_map> given = syntax().parse(args, out);
  if (!given) return std::nullopt;
  CompareOptions options;
  const Overrides only_b = overrides_of(*given, "set-b");
  options.a = (*given)["A"].as<std::string>();
  if (given->count("B") == 0 && only_b.empty()) throw po::error("B is missing: a second scenario, or --set-b");
  options.b = text_of(*given, "B").value_or(options.a);
  options.traces = traces_of(*given);
  if (options.traces.empty() && given->count(trace_option(1)) != 0)
    throw po::error(
        fmt::format("too many arguments: '{}' is no trace, and scenarios are compared in pairs", options.b));
  if (!options.traces.empty() && !only_b.empty()) throw po::error("--set-b changes a second scenario, not a trace");
  options.a_overrides = overrides_of(*given, "set");
  options.b_overrides = options.a_overrides;
  options.b_overrides.insert(options.b_overrides.end(), only_b.begin(), only_b.end());
  options.profile = text_of(*given, "profile");
  options.json = given->count("json") != 0;
  return options;
}

// Puts the placement that a search finds into the job's plan.
SimulatedStep placed_step(Job& job, Granularity granularity = Granularity::block) {
  const Routes routes(job.cluster);
  job.plan = resolve_placement(job, routes).plan;
  return simulate_step(job, routes, granularity);
}

void compare_with_traces(Job& job, const CompareOptions& options, std::ostream& out) {
  std::vector<MeasuredGpu> gpus;
  for (const std::string& file : options.traces) gpus.push_back(measured_gpu(file));
  const RealComparison comparison = real_comparison(job, placed_step(job, Granularity::operator_), gpus);
  out << (options.json ? real_comparison_json(comparison) : real_comparison_text(comparison, style_of(out)));
}

void compare_scenarios(Job& a, Job& b, bool json, std::ostream& out) {
  const SimulatedStep step_a = placed_step(a);
  const SimulatedStep step_b = placed_step(b);
  const ComparedStep left{&a, &step_a};
  const ComparedStep right{&b, &step_b};
  out << (json ? compare_json(left, right) : compare_text(left, right, style_of(out)));
}

}  // namespace

int compare_command(const std::vector<std::string>& args, std::istream&, std::ostream& out, std::ostream&) {
  const std::optional<CompareOptions> options = parse(args, out);
  if (!options) return 0;
  const bool with_traces = !options->traces.empty();
  Job a = load_job(options->a, options->a_overrides, options->profile);
  Job b = with_traces ? a : load_job(options->b, options->b_overrides, options->profile);
  for (const Job* job : {&a, &b})
    if (const std::vector<PlanProblem> problems = problems_of(*job); !problems.empty())
      return answer_infeasible(*job, problems, options->json, out);
  if (with_traces)
    compare_with_traces(a, *options, out);
  else
    compare_scenarios(a, b, options->json, out);
  return 0;
}

}  // namespace trainyard
