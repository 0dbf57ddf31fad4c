#include "sim/cli/job_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <istream>
#include <ostream>
#include <stdexcept>

#include "analysis/job/job_report.hpp"
#include "analysis/job/job_simulation.hpp"
#include "analysis/job/job_words.hpp"
#include "analysis/placement/resolve_placement.hpp"
#include "models/parameter_count.hpp"
#include "sim/cli/scenario_input.hpp"
#include "sim/cli/terminal.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;

constexpr int most_replicas = 100'000;
constexpr double highest_price = 1e9;  // as in reliability profiles; keeps every cost finite
constexpr std::string_view reliability_prefix = "reliability.";

CommandSyntax syntax() {
  CommandSyntax s(
      "job SCENARIO --tokens N [options]",
      "Predicts a whole training job: days, goodput and cost with machines that differ, fail and restart from\n"
      "checkpoints. Exit code 3 says that the plan is infeasible, does not fit, or never finishes.",
      "trainyard job llama3-70b-64xh100 --tokens 15T --price-per-gpu-hour 2.5\n"
      "trainyard job llama3-70b-64xh100 --tokens 1T --set reliability.checkpoint_mode=synchronous");
  s.positional("SCENARIO", true);
  add_scenario_options(s);
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  s.option()("tokens", text("N"), "tokens to train: 15T, 300B, 1e12")(
      "reliability", text("PROFILE")->default_value(default_reliability),
      "failures, restarts, checkpoints, variation: a name in profiles/reliability or a file; "
      "--set reliability.KEY=VALUE changes one of its constants")(
      "checkpoint-interval", text("TIME")->default_value("optimal"), "of work: 30min, or young, daly, optimal")(
      "mttf", text("TIME"), "mean time between failures of the job, instead of the profile's: 3h, or never")(
      "price-per-gpu-hour", po::value<double>()->value_name("PRICE"), "in any currency, for the cost")(
      "replicas", po::value<int>()->default_value(1000)->value_name("N"), "simulated runs")(
      "seed", po::value<std::int64_t>()->default_value(1)->value_name("N"), "of the random numbers");
  return s;
}

// The parsers of analysis/job say what is wrong with a text; the option's name is added here.
template <class Parse>
auto parsed(const char* option, const std::string& text, Parse parse) {
  try {
    return parse(text);
  } catch (const std::invalid_argument& e) {
    throw po::error(fmt::format("--{}: {}", option, e.what()));
  }
}

void read_mttf(const po::variables_map& given, JobRequest& request) {
  const std::optional<std::string> text = text_of(given, "mttf");
  if (!text) return;
  request.never_fails = *text == "never";
  if (request.never_fails) return;
  request.mttf = parsed("mttf", *text, parse_long_duration);
  if (request.mttf->value <= 0) throw po::error("--mttf must be more than zero; 'never' is without failures");
}

// Everything but the step and the reliability profile.
JobRequest read_request(const po::variables_map& given) {
  JobRequest request;
  const std::optional<std::string> tokens = text_of(given, "tokens");
  if (!tokens) throw po::error("--tokens is missing");
  request.tokens = parsed("tokens", *tokens, parse_token_count);
  request.interval = parsed("checkpoint-interval", given["checkpoint-interval"].as<std::string>(), parse_interval);
  read_mttf(given, request);
  if (given.count("price-per-gpu-hour") != 0) {
    request.price_per_gpu_hour = given["price-per-gpu-hour"].as<double>();
    const double price = *request.price_per_gpu_hour;
    if (!std::isfinite(price) || price < 0 || price > highest_price)
      throw po::error(fmt::format("--price-per-gpu-hour must be a number from 0 to {:g}", highest_price));
  }
  request.replicas = given["replicas"].as<int>();
  if (request.replicas < 1 || request.replicas > most_replicas)
    throw po::error(fmt::format("--replicas must be 1 to {}", most_replicas));
  const std::int64_t seed = given["seed"].as<std::int64_t>();
  if (seed < 0) throw po::error("--seed must not be negative");
  request.seed = static_cast<std::uint64_t>(seed);
  return request;
}

// --set reliability.KEY=VALUE belongs to the reliability profile, all others to the scenario.
struct SplitOverrides {
  Overrides scenario;
  ReliabilityOverrides reliability;
};
SplitOverrides split(const Overrides& all) {
  SplitOverrides result;
  for (const auto& [key, value] : all)
    if (key.starts_with(reliability_prefix))
      result.reliability.emplace_back(key.substr(reliability_prefix.size()), value);
    else
      result.scenario.emplace_back(key, value);
  return result;
}

int answer_does_not_fit(const Job& job, const MemoryLedger& ledger, bool json, std::ostream& out) {
  const std::string reason = fmt::format("the fullest stage needs {} of {}; `trainyard memory` shows what for",
                                         to_text(ledger.peak()), to_text(ledger.limit));
  return answer_infeasible(job, {PlanProblem{"memory", reason}}, json, out);
}

}  // namespace

JobStep job_step(const Job& job, const SimulatedStep& step, double checkpoint_bytes_per_parameter) {
  const Plan& plan = step.plan;
  const RankLayout& layout = step.layout;
  JobStep result;
  result.step_time = step.result.step_time;
  result.data_parallel_time = step.result.breakdown.exposed_dp;
  result.tokens_per_step =
      static_cast<double>(plan.global_batch_size) * static_cast<double>(job.workload.sequence_length);
  result.gpus = layout.world_size();
  result.gpus_per_node = job.cluster.gpus_per_node();
  result.pipeline_stages = layout.pp;
  result.data_parallel = layout.dp;
  result.micro_batches = std::max(1, plan.global_batch_size / (plan.micro_batch_size * layout.dp));
  result.parameters = static_cast<double>(count_parameters(job.model).total);
  result.checkpoint_bytes = Bytes(checkpoint_bytes_per_parameter * result.parameters);
  const bool sharded = plan.data_parallel_kind != DataParallelKind::ddp;
  result.checkpoint_bytes_per_gpu = result.checkpoint_bytes / (sharded ? result.gpus : layout.tp * layout.pp);
  result.model_flops_per_step = step.result.model_flops_per_gpu * step.result.step_time * layout.world_size();
  return result;
}

int job_command(const std::vector<std::string>& args, std::istream&, std::ostream& out, std::ostream&) {
  const std::optional<po::variables_map> given = syntax().parse(args, out);
  if (!given) return 0;
  const bool json = given->count("json") != 0;
  JobRequest request = read_request(*given);
  const SplitOverrides overrides = split(overrides_of(*given, "set"));
  request.reliability = load_reliability((*given)["reliability"].as<std::string>(), overrides.reliability);
  Job job = load_job((*given)["SCENARIO"].as<std::string>(), overrides.scenario, text_of(*given, "profile"));
  if (const std::vector<PlanProblem> problems = problems_of(job); !problems.empty())
    return answer_infeasible(job, problems, json, out);
  const Routes routes(job.cluster);
  job.plan = resolve_placement(job, routes).plan;
  const SimulatedStep step = simulate_step(job, routes);
  if (!step.result.memory.fits) return answer_does_not_fit(job, step.result.memory, json, out);
  request.step = job_step(job, step, request.reliability.checkpoint_bytes_per_parameter);
  const JobResult result = simulate_job(request);
  const JobHeading heading{job.name, job.model.name, job.cluster.name, step.result.warnings};
  out << (json ? job_json(heading, request, result) : job_text(heading, request, result, style_of(out)));
  return result.finishes ? 0 : infeasible_exit_code;
}

}  // namespace trainyard
