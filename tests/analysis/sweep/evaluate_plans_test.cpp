// An evaluator says of a plan what simulating it by itself says.
#include <algorithm>
#include <catch2/catch.hpp>

#include "analysis/sweep/batches.hpp"
#include "tests/analysis/sweep/sampled_plans.hpp"

namespace trainyard::testing {
namespace {

// Step times of short steps continued along their steady state; sums of doubles in another order.
constexpr double rounding = 1e-11;

void check_same(const std::optional<EvaluatedPlan>& evaluated, const std::optional<EvaluatedPlan>& expected) {
  REQUIRE(evaluated.has_value() == expected.has_value());
  if (!expected) return;
  CHECK(evaluated->index == expected->index);
  CHECK(evaluated->key == expected->key);
  CHECK(evaluated->step_time.value == Approx(expected->step_time.value).epsilon(rounding).margin(0));
  CHECK(evaluated->mfu == Approx(expected->mfu).epsilon(rounding).margin(0));
  CHECK(evaluated->peak == expected->peak);
  CHECK(evaluated->reserved == expected->reserved);
}

// Of `count` plans from all over the space; returns how many of them fit.
int check_plans(const Sweep& sweep, int count) {
  const Routes routes(sweep.job.cluster);
  Evaluator evaluator(sweep, routes);
  int fit = 0;
  for (const PlanIndex index : spread(sweep.space.size(), count)) {
    INFO("plan " << index << ": " << canonical_key(sweep.space.plan(index)));
    const std::optional<EvaluatedPlan> expected = simulated(sweep, routes, index);
    check_same(evaluator.evaluate(index), expected);
    fit += expected ? 1 : 0;
  }
  return fit;
}

// Every plan of these batches by itself: what the batch has must be the same, and what it lacks must cross the same
// links as a plan of its structure that it has.
void check_batches(const Sweep& sweep, const std::vector<std::int64_t>& numbers) {
  const Routes routes(sweep.job.cluster);
  Evaluator whole(sweep, routes), single(sweep, routes);
  for (const std::int64_t number : numbers) {
    const BatchRange range = batch_range(sweep.space, number);
    const Batch batch = whole.evaluate(number, range.first, range.last, {});
    INFO("batch " << number);
    CHECK(batch.number == number);
    CHECK(batch.counts.total() == range.structures() * sweep.space.variants());
    CHECK(batch.counts.evaluated == std::ssize(batch.plans));
    CHECK(batch.counts.pruned == 0);
    std::int64_t families = 0;
    for (const auto& [reason, plans] : batch.counts.infeasible_reasons) families += plans;
    CHECK(families == batch.counts.infeasible);
    std::int64_t same = 0;
    auto next = batch.plans.begin();
    for (PlanIndex index = range.first * sweep.space.variants(); index < range.last * sweep.space.variants(); ++index) {
      const std::optional<EvaluatedPlan> alone = single.evaluate(index);
      if (next != batch.plans.end() && next->index == index) {
        REQUIRE(alone);
        CHECK(*alone == *next++);
        continue;
      }
      if (!alone) continue;
      ++same;
      const StructureIndex structure = index / sweep.space.variants();
      CHECK(std::any_of(batch.plans.begin(), next, [&](const EvaluatedPlan& earlier) {
        return earlier.index / sweep.space.variants() == structure && earlier.step_time == alone->step_time &&
               earlier.peak == alone->peak;
      }));
    }
    CHECK(next == batch.plans.end());
    CHECK(same == batch.counts.same_placement);
  }
}

}  // namespace

TEST_CASE("every plan of a small sweep is evaluated as simulated") {
  const Sweep sweep = shipped_sweep("tiny");
  CHECK(check_plans(sweep, static_cast<int>(sweep.space.size())) > 0);
}

TEST_CASE("plans of a dense model on 64 GPUs are evaluated as simulated") {
  CHECK(check_plans(shipped_sweep("llama3-70b-64xh100"), 1500) >= 40);
}

TEST_CASE("plans of long steps are evaluated as simulated") {
  CHECK(check_plans(shipped_sweep("gpt3-175b-64xa100"), 4000) >= 40);
}

TEST_CASE("plans with experts are evaluated as simulated") {
  CHECK(check_plans(shipped_sweep("mixtral-8x7b-64xh100"), 1500) >= 40);
}

TEST_CASE("plans on a cluster with a slow GPU are evaluated as simulated") {
  const Sweep sweep = shipped_sweep("tiny", {{"stragglers.gpus", "[{gpu: 3, speed: 0.8}]"}});
  CHECK(check_plans(sweep, 400) >= 40);
}

TEST_CASE("plans whose gradients are reduced once are evaluated as simulated") {
  const Sweep sweep = shipped_sweep(
      "llama3-70b-64xh100", {{"plan.gradient_sync_every_micro_batch", "false"}, {"space.data_parallel", "[fsdp]"}});
  CHECK(check_plans(sweep, 400) >= 20);
}

TEST_CASE("a batch is its plans one by one, less those that cross the same links") {
  for (const char* name : {"llama3-70b-64xh100", "mixtral-8x7b-64xh100"}) {
    const Sweep sweep = shipped_sweep(name);
    check_batches(sweep, spread(batch_count(sweep.space), 4));
  }
}

TEST_CASE("structures in another order are evaluated alike") {
  const Sweep sweep = shipped_sweep("llama3-70b-64xh100");
  const Routes routes(sweep.job.cluster);
  Evaluator once(sweep, routes), again(sweep, routes);
  const std::vector<PlanIndex> indices = spread(sweep.space.size(), 600);
  std::vector<std::optional<EvaluatedPlan>> forth, back;
  for (auto i = indices.begin(); i != indices.end(); ++i) forth.push_back(once.evaluate(*i));
  for (auto i = indices.rbegin(); i != indices.rend(); ++i) back.push_back(again.evaluate(*i));
  CHECK(std::equal(forth.begin(), forth.end(), back.rbegin(), back.rend()));
}

}  // namespace trainyard::testing
