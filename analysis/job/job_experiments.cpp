#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "analysis/job/job_plan.hpp"
#include "analysis/job/job_words.hpp"

namespace trainyard {
namespace {

// A request with one change, and how to ask for it.
struct Candidate {
  JobRequest request;
  std::string change;
  std::string setting;
};

std::optional<Candidate> best_interval(const JobRequest& request) {
  if (request.interval.rule == IntervalRule::optimal) return std::nullopt;
  Candidate candidate{request, "the optimal checkpoint interval", "--checkpoint-interval optimal"};
  candidate.request.interval = {IntervalRule::optimal, {}};
  return candidate;
}

std::optional<Candidate> two_stage_checkpoints(const JobRequest& request) {
  if (request.reliability.checkpoint_mode == CheckpointMode::two_stage) return std::nullopt;
  Candidate candidate{request, "copy checkpoints to host memory and upload behind the training",
                      "--set reliability.checkpoint_mode=two_stage"};
  candidate.request.reliability.checkpoint_mode = CheckpointMode::two_stage;
  return candidate;
}

// Half of the longest part of a restart: a target to measure against, not a mechanism.
std::optional<Candidate> shorter_restart(const JobRequest& request) {
  struct Part {
    const char* constant;
    const char* words;
    Seconds ReliabilityProfile::*member;
  };
  constexpr std::array parts = {Part{"detect", "detect failures", &ReliabilityProfile::detect},
                                Part{"reschedule", "replace nodes", &ReliabilityProfile::reschedule},
                                Part{"initialise", "initialise the job", &ReliabilityProfile::initialise}};
  const ReliabilityProfile& profile = request.reliability;
  const Part* longest = std::max_element(
      parts.begin(), parts.end(), [&](const Part& a, const Part& b) { return profile.*a.member < profile.*b.member; });
  const Seconds half = profile.*longest->member / 2.0;
  if (half.value <= 0) return std::nullopt;
  Candidate candidate{request, fmt::format("{} in half the time", longest->words),
                      fmt::format("--set reliability.{}={}", longest->constant, duration_setting(half))};
  candidate.request.reliability.*longest->member = half;
  return candidate;
}

std::optional<Candidate> no_slow_nodes(const JobRequest& request) {
  if (request.reliability.slow_node_probability <= 0) return std::nullopt;
  Candidate candidate{request, "find and replace slow nodes", "--set reliability.slow_node_probability=0"};
  candidate.request.reliability.slow_node_probability = 0;
  return candidate;
}

std::optional<Candidate> more_spares(const JobRequest& request) {
  if (request.reliability.spare_policy == SparePolicy::unlimited) return std::nullopt;
  Candidate candidate{request, "enough spare nodes", "--set reliability.spare_policy=unlimited"};
  candidate.request.reliability.spare_policy = SparePolicy::unlimited;
  return candidate;
}

constexpr std::array candidates = {best_interval, two_stage_checkpoints, shorter_restart, no_slow_nodes, more_spares};

Seconds predicted(const Candidate& candidate, const JobRequest& base, const JobPlan& plan, Seconds waiting) {
  const bool same_machines =
      candidate.request.reliability.slow_node_probability == base.reliability.slow_node_probability;
  const Seconds step =
      same_machines ? plan.step
                    : base.step.step_time * vary_step(base.step, candidate.request.reliability, base.seed).factor();
  const JobPlan changed = plan_job(candidate.request, step);
  const Seconds expected = expected_run_time(changed.run, changed.failures.mttf);
  return changed.failures.spare_nodes ? expected + waiting : expected;
}

// Below this share of the duration a change is not worth naming.
constexpr double least_saving = 5e-4;

}  // namespace

std::vector<JobExperiment> job_experiments(const JobRequest& request, const JobPlan& plan, Seconds waiting) {
  const Seconds now = expected_run_time(plan.run, plan.failures.mttf) + waiting;
  std::vector<JobExperiment> found;
  for (const auto& make : candidates) {
    const std::optional<Candidate> candidate = make(request);
    if (!candidate) continue;
    const Seconds duration = predicted(*candidate, request, plan, waiting);
    if (duration < now * (1.0 - least_saving)) found.push_back({candidate->change, candidate->setting, duration});
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const JobExperiment& a, const JobExperiment& b) { return a.duration < b.duration; });
  return found;
}

}  // namespace trainyard
