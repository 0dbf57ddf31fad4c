#include "analysis/job/job_simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "analysis/job/failure_simulation.hpp"
#include "analysis/job/job_plan.hpp"
#include "analysis/job/job_words.hpp"

namespace trainyard {
namespace {

// A job that makes less than one hour of progress in a hundred is reported as one that never finishes: a month of work
// would take eight years.
constexpr double least_goodput = 0.01;
constexpr double horizon_slack = 10.0;  // of single runs beyond that, so that chance alone ends none
constexpr double most_steps = 1e15;     // exact in a double, with room for sums

void require(bool right, std::string_view what) {
  if (!right) throw std::invalid_argument(fmt::format("a job: {}", what));
}

void require_valid(const JobRequest& request) {
  require_valid(request.step);
  require(std::isfinite(request.tokens) && request.tokens > 0, "tokens must be positive and finite");
  require(request.tokens / request.step.tokens_per_step <= most_steps, "more than 1e15 steps");
  require(request.replicas > 0, "replicas must be positive");
  require(!request.mttf || (std::isfinite(request.mttf->value) && request.mttf->value > 0),
          "the mean time between failures must be positive and finite");
  require(request.interval.rule != IntervalRule::given ||
              (std::isfinite(request.interval.work.value) && request.interval.work.value > 0),
          "the checkpoint interval must be positive and finite");
  require(
      !request.price_per_gpu_hour || (std::isfinite(*request.price_per_gpu_hour) && *request.price_per_gpu_hour >= 0),
      "the price must be finite and not negative");
}

// The mean of all runs, and each run's duration.
struct Runs {
  RunTimes sum;
  std::vector<double> durations;  // seconds
};

Runs simulate_runs(const JobRequest& request, const JobPlan& plan, const StepVariation& variation) {
  Runs runs;
  const Seconds ideal = static_cast<double>(plan.steps) * plan.step;
  const Seconds horizon = horizon_slack / least_goodput * ideal;
  for (int replica = 0; replica < request.replicas; ++replica) {
    Random random(request.seed, static_cast<std::uint64_t>(replica));
    const std::size_t fleet = static_cast<std::size_t>(replica) % variation.fleet_factors.size();
    const Seconds step = request.step.step_time * variation.fleet_factors[fleet];
    const RunTimes times =
        simulate_run(segmented(plan, plan.checkpoint_every_steps, step), plan.failures, horizon, random);
    runs.sum.work += times.work;
    runs.sum.checkpoint_stalls += times.checkpoint_stalls;
    runs.sum.lost_work += times.lost_work;
    runs.sum.restarts += times.restarts;
    runs.sum.waiting_for_nodes += times.waiting_for_nodes;
    runs.sum.failures += times.failures;
    runs.sum.finished = times.finished;
    runs.durations.push_back(times.total().value);
    if (!times.finished) return runs;
  }
  return runs;
}

JobTimes mean_times(const Runs& runs, Seconds useful) {
  const auto count = static_cast<double>(runs.durations.size());
  JobTimes times;
  times.useful = useful;
  times.stragglers = runs.sum.work / count - useful;
  times.checkpoint_stalls = runs.sum.checkpoint_stalls / count;
  times.lost_work = runs.sum.lost_work / count;
  times.restarts = runs.sum.restarts / count;
  times.waiting_for_nodes = runs.sum.waiting_for_nodes / count;
  return times;
}

Seconds standard_error(const std::vector<double>& values, double mean) {
  const auto count = static_cast<double>(values.size());
  if (values.size() < 2) return {};
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return Seconds(std::sqrt(squares / (count - 1) / count));
}

IntervalCost interval_cost(const JobPlan& plan, Seconds useful, std::string label, Seconds work) {
  const std::int64_t steps = whole_steps(work, plan.step, plan.steps);
  const Seconds duration = expected_run_time(segmented(plan, steps, plan.step), plan.failures.mttf);
  return {std::move(label), static_cast<double>(steps) * plan.step, steps, duration, useful / duration};
}

std::vector<IntervalCost> interval_costs(const JobResult& result, const JobPlan& plan, Seconds useful) {
  if (!plan.failures.mttf) return {};
  const Seconds chosen = plan.run.segments > 1 ? plan.run.segment_work : plan.run.work();
  std::vector<IntervalCost> costs = {
      interval_cost(plan, useful, "chosen", chosen), interval_cost(plan, useful, "optimal", *result.optimal),
      interval_cost(plan, useful, "young", *result.young), interval_cost(plan, useful, "daly", *result.daly)};
  constexpr std::array multiples = {std::pair{"1/4 of chosen", 0.25}, std::pair{"1/2 of chosen", 0.5},
                                    std::pair{"2 x chosen", 2.0}, std::pair{"4 x chosen", 4.0}};
  for (const auto& [label, multiple] : multiples)
    costs.push_back(interval_cost(plan, useful, label, multiple * chosen));
  return costs;
}

void add_inputs(JobResult& result, const JobPlan& plan, Seconds useful) {
  result.steps = plan.steps;
  result.mttf = plan.failures.mttf;
  result.restart = plan.run.restart;
  result.checkpoint = plan.run.cost;
  result.checkpoint_every_steps = plan.checkpoint_every_steps;
  result.interval = static_cast<double>(plan.checkpoint_every_steps) * plan.step;
  result.spare_nodes = plan.failures.spare_nodes;
  if (plan.failures.mttf) {
    result.young = young_interval(plan.run.cost.stall, *plan.failures.mttf);
    result.daly = daly_interval(plan.run.cost.stall, *plan.failures.mttf);
    result.optimal = optimal_interval(plan.run.cost, *plan.failures.mttf);
    if (plan.failures.spare_nodes && plan.failures.node_loss_share > 0)
      result.node_shortage = shortage_probability(
          *plan.failures.spare_nodes, *plan.failures.mttf / plan.failures.node_loss_share, plan.failures.node_repair);
  }
  result.expected = expected_run_time(plan.run, plan.failures.mttf);
  result.expected_goodput = useful / result.expected;
}

void add_runs(JobResult& result, const JobRequest& request, const Runs& runs, Seconds useful) {
  result.times = mean_times(runs, useful);
  result.duration = result.times.total();
  result.duration_p10 = Seconds(sample_quantile(runs.durations, 0.1));
  result.duration_p50 = Seconds(sample_quantile(runs.durations, 0.5));
  result.duration_p90 = Seconds(sample_quantile(runs.durations, 0.9));
  result.duration_standard_error = standard_error(runs.durations, result.duration.value);
  result.failures = static_cast<double>(runs.sum.failures) / static_cast<double>(runs.durations.size());
  result.goodput = useful / result.duration;
  result.ettr = (result.times.useful + result.times.stragglers) / result.duration;
  result.gpu_hours = request.step.gpus * in_hours(result.duration);
  const std::optional<double> price =
      request.price_per_gpu_hour ? request.price_per_gpu_hour : request.reliability.price_per_gpu_hour;
  if (price) result.cost = *price * result.gpu_hours;
  result.model_flops_per_gpu =
      static_cast<double>(result.steps) * request.step.model_flops_per_step / request.step.gpus / result.duration;
}

// `times`: of the run that did not finish; zero where none was simulated.
std::string hopeless(const JobResult& result, const JobRequest& request, const RunTimes& times) {
  if (times.waiting_for_nodes > times.restarts + times.lost_work + times.work)
    return fmt::format("it waits for nodes: a lost one is in repair for {}, and there are {} spares",
                       long_duration_text(request.reliability.node_repair), result.spare_nodes.value_or(0));
  return fmt::format(
      "a failure every {} leaves no progress: a restart takes {}, and a checkpoint is usable only {} "
      "after the one before",
      long_duration_text(*result.mttf), long_duration_text(result.restart),
      long_duration_text(result.interval + result.checkpoint.stall + result.checkpoint.upload));
}

}  // namespace

JobResult simulate_job(const JobRequest& request) {
  require_valid(request);
  JobResult result;
  result.step = vary_step(request.step, request.reliability, request.seed);
  const JobPlan plan = plan_job(request, request.step.step_time * result.step.factor());
  const Seconds useful = static_cast<double>(plan.steps) * request.step.step_time;
  add_inputs(result, plan, useful);
  // The formula is exact for exponential failures only; for others the simulated runs decide.
  const bool exponential = plan.failures.weibull_shape == 1;
  result.finishes = !plan.failures.mttf || !exponential || result.expected_goodput >= least_goodput;
  RunTimes unfinished;
  if (result.finishes) {
    const Runs runs = simulate_runs(request, plan, result.step);
    result.finishes = runs.sum.finished;
    if (runs.sum.finished)
      add_runs(result, request, runs, useful);
    else
      unfinished = runs.sum;
  }
  if (!result.finishes) {
    result.why_not = hopeless(result, request, unfinished);
    return result;
  }
  result.intervals = interval_costs(result, plan, useful);
  result.experiments = job_experiments(request, plan, result.times.waiting_for_nodes);
  return result;
}

}  // namespace trainyard
