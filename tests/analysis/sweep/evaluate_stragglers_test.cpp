// A slow GPU makes a difference between placements that cross the same links.
#include <catch2/catch.hpp>
#include <set>

#include "analysis/sweep/batches.hpp"
#include "tests/analysis/sweep/sampled_plans.hpp"

namespace trainyard::testing {
namespace {

std::set<double> step_times_of(const Batch& batch) {
  std::set<double> times;
  for (const EvaluatedPlan& plan : batch.plans) times.insert(plan.step_time.value);
  return times;
}

}  // namespace

TEST_CASE("plans that put a slow GPU elsewhere are not the same") {
  const Sweep sweep =
      shipped_sweep("tiny", {{"stragglers.gpus", "[{gpu: 3, speed: 0.8}]"}, {"space.micro_batch_size", "2"}});
  const Routes routes(sweep.job.cluster);
  Evaluator evaluator(sweep, routes);
  int placements_differ = 0;
  for (StructureIndex s = 0; s < sweep.space.structures(); ++s) {
    std::set<double> times;
    for (int v = 0; v < sweep.space.variants(); ++v)
      if (const auto plan = evaluator.evaluate(s * sweep.space.variants() + v)) times.insert(plan->step_time.value);
    INFO(canonical_key(sweep.space.plan(s * sweep.space.variants())));
    CHECK(step_times_of(evaluator.evaluate(0, s, s + 1, {})) == times);
    placements_differ += times.size() > 1 ? 1 : 0;
  }
  CHECK(placements_differ > 0);
}

}  // namespace trainyard::testing
