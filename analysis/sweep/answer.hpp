// What a sweep says in the end. Depends on the sweep alone: not on threads, shards, interrupts or the clock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/step_result.hpp"
#include "analysis/sweep/outcome.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {

// Plans of one job whose predicted step times are less than this factor apart are said to tie. The residuals of such
// plans go together, so that p10 to p90 of a single plan says little about the order of two: of the pairs of measured
// plans of one job (30 jobs, 2530 pairs: the rows vtrain_multi, aleph_alpha and zero_bubble of
// scenarios/published/training_runs.csv), 90.3 % of the 1511 that are predicted at least this far apart were measured
// in the predicted order; of those predicted closer, 73 %. Recomputed by answer_tie_test.
inline constexpr double tie_ratio = 1.09;
inline constexpr double tied_in_order = 0.73;

// One of the best, simulated again in more detail.
struct RankedPlan {
  PlanIndex index = 0;
  std::string line;  // plan_line
  std::string key;
  // "plan.tensor_model_parallel_size=8" …: what the plan adds to the sweep's `plan`, for `simulate --set`.
  std::vector<std::string> settings;
  Seconds step_time{};  // analytic, block granularity: the order of the list
  Seconds step_time_p10{}, step_time_p90{};
  Seconds layer_step_time{};               // analytic, layer granularity
  std::optional<Seconds> fluid_step_time;  // fluid engine; nothing where it cannot be had
  double mfu = 0;
  double tokens_per_second_per_gpu = 0;
  Bytes peak{}, reserved{};
  Breakdown breakdown;  // at layer granularity
  bool ties = false;    // the data cannot tell it from the first (tie_ratio); false for the first itself
  friend bool operator==(const RankedPlan&, const RankedPlan&) = default;
};

struct ParetoPlan {
  PlanIndex index = 0;
  std::string line;
  Seconds step_time{};
  Bytes peak{}, reserved{};
  friend bool operator==(const ParetoPlan&, const ParetoPlan&) = default;
};

// Arguments to copy for a framework that can run the plan.
struct LaunchArguments {
  std::string framework;  // "Megatron-LM", "torchtitan", "DeepSpeed", "trainyard"
  std::string text;
  friend bool operator==(const LaunchArguments&, const LaunchArguments&) = default;
};

// The best plan that a search finds on a changed machine.
struct Sensitivity {
  std::string change;                // "NIC bandwidth x 2"
  std::string best_line;             // empty where no plan fits
  std::optional<Seconds> step_time;  // of that plan on the changed machine
  double gain = 0;        // share of the step time saved against the unchanged machine; 0 if that has no plan
  bool same_plan = true;  // as on the unchanged machine
  // Of the unchanged machine's best plan on the changed one; nothing where it does not fit (or there is none).
  std::optional<Seconds> kept_plan_step;
  friend bool operator==(const Sensitivity&, const Sensitivity&) = default;
};

struct PlacementWorth {
  int variants = 0;         // of the best structure that fit and take different times
  std::string best, worst;  // "tp-cp-ep-dp-pp packed"
  Seconds best_step{}, worst_step{};
  friend bool operator==(const PlacementWorth&, const PlacementWorth&) = default;
};

// Where no plan fits: the one that lacks least memory, of those that were looked at.
struct ClosestPlan {
  std::string line;
  Bytes reserved{};
  friend bool operator==(const ClosestPlan&, const ClosestPlan&) = default;
};

struct SweepAnswer {
  std::string name, model, cluster;  // cluster: "8 × dgx-h100"
  int gpus = 0;
  Bytes memory_limit{};  // what a framework can allocate of one GPU
  std::string hash, version;
  SweepCounts counts;
  std::vector<RankedPlan> best;  // by (step_time, index); empty where nothing fits
  std::vector<ParetoPlan> pareto;
  std::optional<ClosestPlan> closest;   // where nothing fits
  std::vector<LaunchArguments> launch;  // of the first
  std::vector<std::string> runner_up;   // why the next plan loses, one sentence each
  std::optional<PlacementWorth> placement;
  std::vector<Sensitivity> sensitivity;
  std::vector<std::string> warnings;
  friend bool operator==(const SweepAnswer&, const SweepAnswer&) = default;
};

// A report of at most style.width columns, but for the arguments to copy.
std::string answer_text(const SweepAnswer& answer, const TextStyle& style);

// One object, units in the key names. answer_from_json gives back exactly what was written (text that is not UTF-8 and
// numbers that are not finite aside), and throws InputError for anything that answer_json did not write.
std::string answer_json(const SweepAnswer& answer);
SweepAnswer answer_from_json(const std::string& json);

// A header, then a row per plan: the best by rank, then the Pareto front. RFC 4180, but for lines that end with \n.
std::string answer_csv(const SweepAnswer& answer);

}  // namespace trainyard
