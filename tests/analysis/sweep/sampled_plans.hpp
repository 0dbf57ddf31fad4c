// Plans of a sweep taken from all over its space, and what simulating one by itself says.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "analysis/simulate.hpp"
#include "analysis/sweep/evaluate.hpp"
#include "analysis/sweep/sweep.hpp"
#include "sim/base/scenario_files.hpp"

namespace trainyard::testing {

inline Sweep shipped_sweep(const std::string& name,
                           const std::vector<std::pair<std::string, std::string>>& overrides = {}) {
  return load_sweep(scenario_file("sweeps", name), overrides);
}

// `count` indices of a space of `size`, spread evenly and with every digit of the index varying (multiples of the
// golden section).
inline std::vector<std::int64_t> spread(std::int64_t size, int count, double start = 0.5) {
  constexpr double golden_section = 0.6180339887498949;
  std::vector<std::int64_t> indices;
  double at = start;
  for (int i = 0; i < count; ++i) {
    indices.push_back(static_cast<std::int64_t>(at * static_cast<double>(size)));
    at += golden_section;
    if (at >= 1) at -= 1;
  }
  return indices;
}

// The plan's job, if the space has the plan and it is legal.
inline std::optional<Job> legal_job(const Sweep& sweep, PlanIndex index) {
  if (!sweep.space.structure(index / sweep.space.variants())) return std::nullopt;
  Job job = sweep.job;
  job.plan = sweep.space.plan(index);
  if (!check_plan(job.plan, job.model, job.workload, job.cluster).empty()) return std::nullopt;
  return job;
}

// What an evaluator should give, by way of whole programs.
inline std::optional<EvaluatedPlan> simulated(const Sweep& sweep, const Routes& routes, PlanIndex index) {
  const std::optional<Job> job = legal_job(sweep, index);
  if (!job) return std::nullopt;
  EvaluatedPlan plan;
  plan.index = index;
  const MemoryLedger memory = memory_of(*job, routes);
  if (!memory.fits) return std::nullopt;
  plan.peak = memory.peak();
  for (const StageMemory& stage : memory.stages) plan.reserved = std::max(plan.reserved, stage.reserved);
  const SimulatedStep step = simulate_step(*job, routes);
  plan.step_time = step.result.step_time;
  plan.mfu = step.result.mfu;
  plan.key = canonical_key(step.plan);
  return plan;
}

}  // namespace trainyard::testing
