// Bounds are never above what a plan takes: this is what makes pruning harmless.
#include "analysis/sweep/bounds.hpp"

#include <catch2/catch.hpp>

#include "tests/analysis/sweep/sampled_plans.hpp"
#include "tests/support/drawn_plans.hpp"

namespace trainyard::testing {
namespace {

// A plan on a GPU of endless memory: bounds hold for plans that do not fit, too.
void check_bounds(Bounds& bounds, const PreparedPlan& p, const Routes& routes) {
  INFO(canonical_key(p.plan));
  Job job = p.job;
  job.plan = p.plan;
  const StepResult step = simulate_step(job, routes).result;
  bounds.about(p.inputs(), p.micro_batches());
  const LeastMemory least = bounds.memory(p.profile());
  Bytes reserved{};
  for (const StageMemory& stage : step.memory.stages) reserved = std::max(reserved, stage.reserved);
  CHECK(bounds.time(p.pricing(), p.paths).value <= step.step_time.value);
  CHECK(least.peak.value <= step.memory.peak().value);
  CHECK(least.reserved.value <= reserved.value);
  // States, and passes that must be run, are no less than that.
  CHECK(least.peak.value > 0.05 * step.memory.peak().value);
}

Plan pipeline_without_replicas(int tp, int pp, int micro_batch_size) {
  Plan plan;
  plan.tensor_parallel = tp;
  plan.sequence_parallel = true;
  plan.pipeline_parallel = pp;
  plan.micro_batch_size = micro_batch_size;
  plan.global_batch_size = 128;
  return plan;
}

}  // namespace

TEST_CASE("no drawn plan takes less time or memory than its bounds") {
  for (const char* scenario : {"llama3-70b-64xh100", "mixtral-8x7b-64xh100"}) {
    const Job job = job_of_batch(scenario, 128);
    const Routes routes(job.cluster);
    Bounds bounds;
    for (const Plan& plan : drawn_plans(job, 4, 7)) check_bounds(bounds, PreparedPlan(job, plan, routes), routes);
  }
}

TEST_CASE("no plan of a sweep takes less time or memory than its bounds") {
  for (const char* name : {"llama3-70b-64xh100", "gpt3-175b-64xa100", "mixtral-8x7b-64xh100", "tiny"}) {
    const Sweep sweep = shipped_sweep(name);
    const Routes routes(sweep.job.cluster);
    Bounds bounds;
    int checked = 0;
    for (const PlanIndex index : spread(sweep.space.size(), 4000, 0.3)) {
      if (checked == 80) break;
      const std::optional<Job> job = legal_job(sweep, index);
      if (!job) continue;
      check_bounds(bounds, PreparedPlan(*job, job->plan, routes), routes);
      ++checked;
    }
    CHECK(checked >= 40);
  }
}

TEST_CASE("the bound on time is most of a step that only computes") {
  // Without replicas nothing but the passes, the messages between stages, the optimizer and the end of the step take
  // time. The bound has every pass of the fullest stage and of the way to it and back. Messages (16 MiB at tp 8 and
  // some 40 GB/s: 0.4 ms, twice per micro-batch where sends block) and the optimizer are under a tenth of passes of
  // 20 ms; other stages' larger passes (embedding, head) are in the maximum already. 0.7 leaves room for new costs.
  const Job job = job_of_batch("llama3-70b-64xh100", 128);
  const Routes routes(job.cluster);
  for (const auto& [tp, pp] : {std::pair{8, 8}, {4, 16}})
    for (const int micro_batch_size : {1, 2, 4}) {
      const PreparedPlan p(job, pipeline_without_replicas(tp, pp, micro_batch_size), routes);
      REQUIRE(p.plan.data_parallel == 1);
      Job placed = job;
      placed.plan = p.plan;
      Bounds bounds;
      bounds.about(p.inputs(), p.micro_batches());
      const double step = simulate_step(placed, routes).result.step_time.value;
      INFO("tp " << tp << " pp " << pp << " mbs " << micro_batch_size);
      CHECK(bounds.time(p.pricing(), p.paths).value > 0.7 * step);
    }
}

TEST_CASE("the bound on memory knows how many micro-batches wait for their backward") {
  // 1F1B: stage 0 of pp has pp forwards before its first backward, so that more stages of equal layers do not lower
  // what activations need; without recomputation they are most of a peak at long sequences.
  const Job job = job_of_batch("llama3-70b-64xh100", 128);
  const Routes routes(job.cluster);
  for (const int micro_batch_size : {1, 2}) {
    const PreparedPlan p(job, pipeline_without_replicas(8, 8, micro_batch_size), routes);
    Job placed = job;
    placed.plan = p.plan;
    Bounds bounds;
    bounds.about(p.inputs(), p.micro_batches());
    CHECK(bounds.memory(p.profile()).peak.value > 0.9 * simulate_step(placed, routes).result.memory.peak().value);
  }
}

TEST_CASE("bounds of one structure do not depend on those asked for before") {
  const Job job = job_of_batch("llama3-70b-64xh100", 128);
  const Routes routes(job.cluster);
  Bounds all;
  for (const Plan& plan : drawn_plans(job, 1, 8)) {
    const PreparedPlan p(job, plan, routes);
    Bounds fresh;
    fresh.about(p.inputs(), p.micro_batches());
    all.about(p.inputs(), p.micro_batches());
    INFO(canonical_key(p.plan));
    CHECK(all.time(p.pricing(), p.paths) == fresh.time(p.pricing(), p.paths));
    CHECK(all.memory(p.profile()).reserved == fresh.memory(p.profile()).reserved);
  }
}

}  // namespace trainyard::testing
