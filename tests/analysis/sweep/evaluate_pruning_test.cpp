// Pruning changes nothing that is asked for; the search that it begins with finds good plans.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "analysis/sweep/batches.hpp"
#include "analysis/sweep/pareto.hpp"
#include "analysis/sweep/search.hpp"
#include "tests/analysis/sweep/sampled_plans.hpp"

namespace trainyard::testing {
namespace {

struct Outcome {
  std::vector<EvaluatedPlan> plans;  // the fastest first
  SweepCounts counts;
};

Outcome outcome_of(const Sweep& sweep, const Routes& routes, const Incumbents& incumbents) {
  Outcome outcome;
  Evaluator evaluator(sweep, routes);
  for (std::int64_t b = 0; b < batch_count(sweep.space); ++b) {
    const BatchRange range = batch_range(sweep.space, b);
    const Batch batch = evaluator.evaluate(b, range.first, range.last, incumbents);
    outcome.counts += batch.counts;
    outcome.plans.insert(outcome.plans.end(), batch.plans.begin(), batch.plans.end());
  }
  std::sort(outcome.plans.begin(), outcome.plans.end(), faster);
  return outcome;
}

std::vector<EvaluatedPlan> fastest(const Outcome& outcome, int top) {
  const auto count = std::min<std::ptrdiff_t>(top, std::ssize(outcome.plans));
  return {outcome.plans.begin(), outcome.plans.begin() + count};
}

// Several thousand plans on four nodes.
Sweep four_nodes() {
  return load_sweep_text(R"(model: llama3-8b
cluster: dgx-h100
nodes: 4
workload: {sequence_length: 8192, global_batch_size: 64, precision: bf16}
stack: megatron-core
plan: {overlap_grad_reduce: true, overlap_param_gather: true}
space: {tp: [1, 2, 4, 8], cp: [1, 2], pp: [1, 2, 4, 8], vpp: [1, 2], schedule: [1f1b, interleaved, zb-h1],
        mbs: [1, 2], data_parallel: [ddp, zero1, fsdp], recompute: [none, selective, full]}
top: 7
)",
                         "four_nodes.yaml");
}

EvaluatedPlan point(PlanIndex index, double step_time, double peak) {
  EvaluatedPlan plan;
  plan.index = index;
  plan.step_time = Seconds(step_time);
  plan.peak = Bytes(peak);
  return plan;
}
std::vector<PlanIndex> indices(const std::vector<EvaluatedPlan>& plans) {
  std::vector<PlanIndex> all;
  for (const EvaluatedPlan& plan : plans) all.push_back(plan.index);
  return all;
}

}  // namespace

TEST_CASE("a pruned sweep has the best plans and the Pareto front of the unpruned one") {
  for (const Sweep& sweep : {shipped_sweep("tiny"), four_nodes()}) {
    const Routes routes(sweep.job.cluster);
    const Outcome all = outcome_of(sweep, routes, {});
    const Outcome pruned = outcome_of(sweep, routes, incumbents_of(search(sweep, routes), sweep.top));
    CHECK(all.counts.pruned == 0);
    CHECK(pruned.counts.pruned > 0);
    CHECK(pruned.counts.evaluated < all.counts.evaluated);
    CHECK(pruned.counts.total() == all.counts.total());
    CHECK(pruned.counts.excluded == all.counts.excluded);
    CHECK(pruned.counts.infeasible_reasons == all.counts.infeasible_reasons);
    REQUIRE(std::ssize(all.plans) >= sweep.top);
    CHECK(fastest(pruned, sweep.top) == fastest(all, sweep.top));
    CHECK(pareto_front(pruned.plans) == pareto_front(all.plans));
  }
}

TEST_CASE("the best known incumbents prune no answer either") {
  // Those of the finished sweep: the sharpest that there can be, and every one of them is met by a plan.
  const Sweep sweep = shipped_sweep("tiny");
  const Routes routes(sweep.job.cluster);
  const Outcome all = outcome_of(sweep, routes, {});
  for (const int top : {1, 3, sweep.top}) {
    const Outcome pruned = outcome_of(sweep, routes, incumbents_of({all.plans}, top));
    CHECK(fastest(pruned, top) == fastest(all, top));
    CHECK(pareto_front(pruned.plans) == pareto_front(all.plans));
  }
}

TEST_CASE("a search gives the same plans every time") {
  const Sweep sweep = shipped_sweep("mixtral-8x7b-64xh100", {{"space.tp", "[1, 2]"}, {"space.cp", "1"}});
  const Routes routes(sweep.job.cluster);
  const SearchResult first = search(sweep, routes);
  CHECK_FALSE(first.plans.empty());
  CHECK(search(sweep, routes).plans == first.plans);
}

TEST_CASE("a search gives plans that are legal and fit, each once, the fastest first") {
  for (const Sweep& sweep : {shipped_sweep("tiny"), four_nodes()}) {
    const Routes routes(sweep.job.cluster);
    const SearchResult found = search(sweep, routes);
    CHECK(std::is_sorted(found.plans.begin(), found.plans.end(), faster));
    std::set<PlanIndex> seen;
    for (const EvaluatedPlan& plan : found.plans) {
      CHECK(seen.insert(plan.index).second);
      CHECK(legal_job(sweep, plan.index));
    }
    // Many of them are evaluated once more; a few stand for all.
    for (std::size_t i = 0; i < found.plans.size(); i += 1 + found.plans.size() / 10) {
      const std::optional<EvaluatedPlan> expected = simulated(sweep, routes, found.plans[i].index);
      REQUIRE(expected);
      CHECK(found.plans[i].step_time.value == Approx(expected->step_time.value).epsilon(1e-11).margin(0));
      CHECK(found.plans[i].reserved == expected->reserved);
    }
  }
}

TEST_CASE("the best plan of a search of a small sweep is the best there is") {
  const Sweep sweep = shipped_sweep("tiny");
  const Routes routes(sweep.job.cluster);
  const SearchResult found = search(sweep, routes);
  REQUIRE_FALSE(found.plans.empty());
  CHECK(found.plans.front().step_time == outcome_of(sweep, routes, {}).plans.front().step_time);
}

TEST_CASE("a search of nothing that fits finds nothing") {
  // 405 billion parameters on eight GPUs.
  const Sweep sweep = load_sweep_text(R"(model: llama3.1-405b
cluster: dgx-h100
nodes: 1
workload: {sequence_length: 8192, global_batch_size: 8, precision: bf16}
space: {tp: 8, data_parallel: [ddp, zero1]}
)",
                                      "too_large.yaml");
  const Routes routes(sweep.job.cluster);
  const SearchResult found = search(sweep, routes);
  CHECK(found.plans.empty());
  CHECK_FALSE(incumbents_of(found, 1).slowest_best);
  CHECK(incumbents_of(found, 1).front.empty());
}

TEST_CASE("incumbents are the last of the best and the front of what was found") {
  SearchResult found;
  found.plans = {point(4, 1, 9), point(2, 2, 9), point(3, 3, 5)};
  CHECK(incumbents_of(found, 2).slowest_best == Seconds(2));
  CHECK(incumbents_of(found, 3).slowest_best == Seconds(3));
  CHECK_FALSE(incumbents_of(found, 4).slowest_best);  // any plan would still be among the best
  const Incumbents incumbents = incumbents_of(found, 2);
  REQUIRE(incumbents.front.size() == 2);
  CHECK(incumbents.front[1].step_time == Seconds(3));
  CHECK(incumbents.front[1].peak == Bytes(5));
}

TEST_CASE("a Pareto front has no plan that another beats") {
  CHECK(indices(pareto_front({})).empty());
  CHECK(indices(pareto_front({point(7, 1, 1)})) == std::vector<PlanIndex>{7});
  // 2 is slower than 1 and larger; 3 slower and smaller; 4 slower than 3 and as large.
  CHECK(indices(pareto_front({point(4, 4, 5), point(3, 3, 5), point(2, 2, 9), point(1, 1, 8)})) ==
        std::vector<PlanIndex>{1, 3});
}

TEST_CASE("of equals a Pareto front has the plan of the least index") {
  CHECK(indices(pareto_front({point(9, 1, 8), point(5, 1, 8), point(6, 1, 8)})) == std::vector<PlanIndex>{5});
  // Equally fast: the smaller one, whatever its index.
  CHECK(indices(pareto_front({point(1, 1, 8), point(2, 1, 7)})) == std::vector<PlanIndex>{2});
  // Equally large: the faster one.
  CHECK(indices(pareto_front({point(1, 2, 8), point(2, 1, 8)})) == std::vector<PlanIndex>{2});
}

}  // namespace trainyard::testing
