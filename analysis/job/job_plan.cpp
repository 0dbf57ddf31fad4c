#include "analysis/job/job_plan.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "analysis/job/job_words.hpp"

namespace trainyard {

IntervalChoice parse_interval(std::string_view text) {
  if (text == "young") return {IntervalRule::young, {}};
  if (text == "daly") return {IntervalRule::daly, {}};
  if (text == "optimal") return {IntervalRule::optimal, {}};
  const Seconds work = parse_long_duration(text);
  if (work.value <= 0) throw std::invalid_argument("a checkpoint interval must be more than zero");
  return {IntervalRule::given, work};
}

std::string name(IntervalRule rule) {
  switch (rule) {
    case IntervalRule::given:
      return "given";
    case IntervalRule::young:
      return "young";
    case IntervalRule::daly:
      return "daly";
    case IntervalRule::optimal:
      return "optimal";
  }
  return {};
}

std::int64_t steps_of(const JobRequest& request) {
  return static_cast<std::int64_t>(std::ceil(request.tokens / request.step.tokens_per_step));
}

FailureLaw failure_law(const JobRequest& request) {
  const ReliabilityProfile& profile = request.reliability;
  const int nodes = request.step.nodes();
  std::optional<Seconds> mttf = request.mttf ? request.mttf : mean_time_to_failure(profile, nodes);
  if (request.never_fails) mttf.reset();
  return {mttf, profile.weibull_shape, profile.node_loss_share, profile.node_repair, spare_nodes(profile, nodes)};
}

Seconds restart_time(const JobRequest& request) {
  const ReliabilityProfile& profile = request.reliability;
  return profile.detect + profile.reschedule + profile.initialise + checkpoint_cost(request.step, profile).load;
}

Seconds interval_of(IntervalChoice choice, const CheckpointCost& cost, std::optional<Seconds> mttf, Seconds whole_job) {
  if (choice.rule == IntervalRule::given) return choice.work;
  if (!mttf) return whole_job;
  switch (choice.rule) {
    case IntervalRule::given:
      return choice.work;
    case IntervalRule::young:
      return young_interval(cost.stall, *mttf);
    case IntervalRule::daly:
      return daly_interval(cost.stall, *mttf);
    case IntervalRule::optimal:
      return optimal_interval(cost, *mttf);
  }
  return whole_job;
}

std::int64_t whole_steps(Seconds work, Seconds step, std::int64_t steps) {
  const double wanted = std::min(std::round(work / step), static_cast<double>(steps));
  return std::max<std::int64_t>(static_cast<std::int64_t>(wanted), 1);
}

RunPlan segmented(const JobPlan& plan, std::int64_t checkpoint_every_steps, Seconds mean_step) {
  RunPlan run = plan.run;
  run.segments = (plan.steps + checkpoint_every_steps - 1) / checkpoint_every_steps;
  run.segment_work = static_cast<double>(checkpoint_every_steps) * mean_step;
  run.last_segment_work = static_cast<double>(plan.steps - (run.segments - 1) * checkpoint_every_steps) * mean_step;
  return run;
}

JobPlan plan_job(const JobRequest& request, Seconds mean_step) {
  JobPlan plan;
  plan.steps = steps_of(request);
  plan.step = mean_step;
  plan.failures = failure_law(request);
  plan.run.cost = checkpoint_cost(request.step, request.reliability);
  plan.run.restart = restart_time(request);
  const Seconds interval =
      interval_of(request.interval, plan.run.cost, plan.failures.mttf, static_cast<double>(plan.steps) * mean_step);
  plan.checkpoint_every_steps = whole_steps(interval, mean_step, plan.steps);
  plan.run = segmented(plan, plan.checkpoint_every_steps, mean_step);
  return plan;
}

}  // namespace trainyard
