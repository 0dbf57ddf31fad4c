// A whole training job: the step repeated until the tokens are used up, on machines that differ, fail and restart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/job/checkpointing.hpp"
#include "analysis/job/job_step.hpp"
#include "analysis/job/reliability.hpp"
#include "analysis/job/step_variation.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

enum class IntervalRule { given, young, daly, optimal };
struct IntervalChoice {
  IntervalRule rule = IntervalRule::optimal;
  Seconds work{};  // between two checkpoints, if given
  friend bool operator==(const IntervalChoice&, const IntervalChoice&) = default;
};
// "young", "daly", "optimal", or a duration. Throws std::invalid_argument.
IntervalChoice parse_interval(std::string_view text);
std::string name(IntervalRule rule);

struct JobRequest {
  JobStep step;
  ReliabilityProfile reliability;
  double tokens = 0;
  IntervalChoice interval;
  // Replaces what failures_per_1000_node_days gives.
  std::optional<Seconds> mttf;
  bool never_fails = false;
  std::optional<double> price_per_gpu_hour;  // replaces the profile's; the currency is the user's
  std::uint64_t seed = 1;
  int replicas = 1000;  // simulated runs
};

// Mean wall-clock time of a run by what it was spent on; the parts sum to it.
struct JobTimes {
  Seconds useful{};      // steps at the predicted speed
  Seconds stragglers{};  // what they took longer because machines differ and times vary
  Seconds checkpoint_stalls{};
  Seconds lost_work{};
  Seconds restarts{};
  Seconds waiting_for_nodes{};
  Seconds total() const { return useful + stragglers + checkpoint_stalls + lost_work + restarts + waiting_for_nodes; }
};

// The same job with another checkpoint interval, by the exact formula.
struct IntervalCost {
  std::string label;  // "chosen", "young", "2x" …
  Seconds work{};
  std::int64_t steps = 0;
  Seconds duration{};
  double goodput = 0;
};

// A change and what it would do.
struct JobExperiment {
  std::string change;   // "two-stage checkpoints"
  std::string setting;  // "--set reliability.checkpoint_mode=two_stage"
  Seconds duration{};
};

struct JobResult {
  bool finishes = true;  // false: the failures leave no progress; the fields from `duration` on are then zero
  std::string why_not;
  std::int64_t steps = 0;
  StepVariation step;
  std::optional<Seconds> mttf;
  Seconds restart{};  // with loading the checkpoint
  CheckpointCost checkpoint;
  std::int64_t checkpoint_every_steps = 0;
  Seconds interval{};                           // of work between checkpoints, as rounded to steps
  std::optional<Seconds> young, daly, optimal;  // absent if nothing ever fails
  std::optional<int> spare_nodes;               // nullopt = always enough
  std::optional<double> node_shortage;          // chance that a lost node finds no spare
  Seconds expected{};                           // exact formula: exponential failures, no waiting for nodes
  double expected_goodput = 0;                  // useful / expected
  // Of the simulated runs.
  Seconds duration{};  // mean
  Seconds duration_p10{};
  Seconds duration_p50{};
  Seconds duration_p90{};
  Seconds duration_standard_error{};  // of the mean
  JobTimes times;
  double failures = 0;  // mean number per run
  double goodput = 0;   // useful / total
  double ettr = 0;      // effective training time ratio: (useful + stragglers) / total (Meta, arXiv 2410.21680)
  double gpu_hours = 0;
  std::optional<double> cost;            // of the mean duration
  FlopsPerSecond model_flops_per_gpu{};  // over the whole job
  std::vector<IntervalCost> intervals;
  std::vector<JobExperiment> experiments;  // best first; only those that save time
};

// Throws std::invalid_argument if a number of the request is not finite, negative, or zero where that has no meaning.
JobResult simulate_job(const JobRequest& request);

}  // namespace trainyard
