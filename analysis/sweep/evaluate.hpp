// From a plan to its step time and memory, many times per millisecond: what structures and variants share is worked out
// once. The predictions are those of simulate_step with the analytic engine at block granularity.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "analysis/sweep/outcome.hpp"
#include "analysis/sweep/sweep.hpp"
#include "topology/routes.hpp"

namespace trainyard {

// What is known before a batch is done, and lets plans be dismissed: no plan slower than `slowest_best` can be among
// the best, and none that a point of `front` beats in both time and memory is on the Pareto front.
struct Incumbents {
  struct Point {
    Seconds step_time{};
    Bytes peak{};
  };
  std::optional<Seconds> slowest_best;  // step time of the last of the best known; nothing: no pruning
  std::vector<Point> front;
  std::optional<Bytes> largest;  // of a search: plans that provably allocate more are of no interest
};

class Skeletons;

class Evaluator {
 public:
  // Sweep and routes are kept by reference. One evaluator per thread; what they have compiled they may share.
  Evaluator(const Sweep& sweep, const Routes& routes, std::shared_ptr<Skeletons> skeletons = nullptr);
  ~Evaluator();

  // Structures [first, last). Plans that `incumbents` proves irrelevant are pruned.
  Batch evaluate(std::int64_t number, StructureIndex first, StructureIndex last, const Incumbents& incumbents);
  // One plan by itself; nothing if it is excluded, infeasible, does not fit or is pruned.
  std::optional<EvaluatedPlan> evaluate(PlanIndex index, const Incumbents& incumbents = {});

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trainyard
