// What became of the plans of a sweep.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "analysis/sweep/plan_space.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// A plan that went through the engine and fits.
struct EvaluatedPlan {
  PlanIndex index = 0;
  std::string key;      // canonical_key of the resolved plan
  Seconds step_time{};  // analytic engine, block granularity
  Bytes peak{};         // largest torch.cuda.max_memory_allocated of any rank
  Bytes reserved{};     // what decides whether it fits: with fragmentation
  double mfu = 0;
  friend bool operator==(const EvaluatedPlan&, const EvaluatedPlan&) = default;
};

// Each plan of the space is counted in exactly one.
struct SweepCounts {
  // By `where`; structures that repeat another (AxisChoice::repeats), or that no framework has and the sweep does not
  // name (automatic_axes).
  std::int64_t excluded = 0;
  std::int64_t infeasible = 0;  // check_plan refused it
  std::int64_t out_of_memory = 0;
  // Its ranks cross the same links as those of an earlier variant of the same structure.
  std::int64_t same_placement = 0;
  std::int64_t pruned = 0;                                 // provably neither among the best nor on the Pareto front
  std::int64_t evaluated = 0;                              // through the engine
  std::map<std::string, std::int64_t> infeasible_reasons;  // reason_family -> plans; sums to infeasible
  SweepCounts& operator+=(const SweepCounts& more);
  std::int64_t total() const { return excluded + infeasible + out_of_memory + same_placement + pruned + evaluated; }
  friend bool operator==(const SweepCounts&, const SweepCounts&) = default;
};

// Structures [first, last) of the space, done. The unit of work, of storage and of sharing between shards.
struct Batch {
  std::int64_t number = 0;
  SweepCounts counts;
  std::vector<EvaluatedPlan> plans;  // by index; those that cannot matter to any answer are left out
  friend bool operator==(const Batch&, const Batch&) = default;
};

}  // namespace trainyard
