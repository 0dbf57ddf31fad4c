// What a sweep says in the end. Depends on the sweep alone: not on threads, shards, interrupts or the clock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/comparison.hpp"
#include "analysis/step_result.hpp"
#include "analysis/sweep/outcome.hpp"
#include "analysis/sweep/sweep.hpp"
#include "analysis/text_layout.hpp"
#include "topology/routes.hpp"

namespace trainyard {

// One of the best, simulated again in more detail.
struct RankedPlan {
  PlanIndex index = 0;
  std::string line;  // plan_line
  std::string key;
  std::vector<std::string> settings;  // "plan.tp=8" …: for `simulate --set` on the sweep's base
  Seconds step_time{};                // analytic, block granularity: the order of the list
  Seconds step_time_p10{}, step_time_p90{};
  Seconds layer_step_time{};               // analytic, layer granularity
  std::optional<Seconds> fluid_step_time;  // fluid engine; nothing where it cannot be had
  double mfu = 0;
  double tokens_per_second_per_gpu = 0;
  Bytes peak{}, reserved{};
  Breakdown breakdown;  // at layer granularity
  bool ties = false;    // the data cannot tell it from the first
};

struct ParetoPlan {
  PlanIndex index = 0;
  std::string line;
  Seconds step_time{};
  Bytes peak{}, reserved{};
};

// Arguments to copy for a framework that can run the plan.
struct LaunchArguments {
  std::string framework;  // "Megatron-LM", "torchtitan", "DeepSpeed"
  std::string text;
};

// The best plan that a search finds on a changed machine.
struct Sensitivity {
  std::string change;  // "NIC bandwidth x 2"
  std::string best_line;
  Seconds step_time{};
  double gain = 0;           // of the step time against the unchanged machine
  bool same_plan = true;     // as on the unchanged machine
  Seconds kept_plan_step{};  // of the unchanged machine's best plan on the changed one
  bool kept_plan_fits = true;
};

struct PlacementWorth {
  int variants = 0;         // of the best structure that cross different links
  std::string best, worst;  // "tp-cp-ep-dp-pp packed"
  Seconds best_step{}, worst_step{};
};

struct SweepAnswer {
  std::string name, model, cluster;
  int gpus = 0;
  std::string hash, version;
  SweepCounts counts;
  std::vector<RankedPlan> best;  // by (step_time, index); empty where nothing fits
  std::vector<ParetoPlan> pareto;
  std::vector<LaunchArguments> launch;  // of the first
  std::vector<std::string> runner_up;   // why the second loses, one sentence each
  std::optional<PlacementWorth> placement;
  std::vector<Sensitivity> sensitivity;
  std::vector<std::string> warnings;
};

std::string answer_text(const SweepAnswer& answer, const TextStyle& style);
std::string answer_json(const SweepAnswer& answer);
SweepAnswer answer_from_json(const std::string& json);  // of a store; InputError where it is none
std::string answer_csv(const SweepAnswer& answer);      // the best and the Pareto front

}  // namespace trainyard
