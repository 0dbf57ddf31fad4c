// Every rank on its own: stragglers, folding, programs that cannot finish.
#include <catch2/catch.hpp>

#include "sim/engine/engine.hpp"
#include "tests/support/group_step.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

Plan plan_of(int tp, int pp, int dp) {
  Plan plan;
  plan.tensor_parallel = tp;
  plan.pipeline_parallel = pp;
  plan.data_parallel = dp;
  plan.global_batch_size = dp;
  return plan;
}

OperatorWork gemm(int size) {
  OperatorWork work;
  work.op = Operator{"gemm", Gemm{size, size, size}};
  return work;
}

}  // namespace

TEST_CASE("equal ranks of a symmetric cluster are one class per stage") {
  GroupStep step("dgx-h100", 4, plan_of(8, 2, 2));
  const TierPath tiers = step.paths().gradients;
  for (const int stage : {0, 1}) {
    step.add(stage, gemm(4096), Stream::compute);
    step.add(stage, step.collective(CommGroup::gradients, CollectiveKind::all_reduce, Bytes(64e6), tiers), Stream::dp);
  }
  const RankRuns folded = step.run(LinkSharing::on), unfolded = step.run(LinkSharing::on, Folding::off);
  CHECK(folded.classes.classes.size() == 2);
  CHECK(folded.classes.classes[0].ranks == 16);
  CHECK(unfolded.classes.classes.size() == 32);
  CHECK(folded.timeline.makespan.value == Approx(unfolded.timeline.makespan.value).margin(1e-9));
}

TEST_CASE("a slow GPU is a class of its own and holds up its group") {
  const auto slow = [](Cluster& c) { c.stragglers.gpus = {{5, 0.5}}; };
  GroupStep step("dgx-h100", 2, plan_of(8, 1, 2), slow);
  const TierPath tiers = step.paths().tp;
  const int kernel = step.add(0, gemm(8192), Stream::compute);
  const int sum = step.add(0, step.collective(CommGroup::tp, CollectiveKind::all_reduce, Bytes(64e6), tiers, Axis::tp),
                           Stream::tp, {kernel});
  const RankRuns runs = step.run(LinkSharing::alone);
  // The slow one, its seven peers, its data-parallel... nothing else tells the other node's eight ranks apart.
  REQUIRE(runs.classes.classes.size() == 3);
  const auto list_of = [&](int rank) {
    return static_cast<std::size_t>(runs.classes.of_rank[static_cast<std::size_t>(rank)]);
  };
  const auto& spans = runs.timeline.spans;
  const double healthy = spans[list_of(0)][static_cast<std::size_t>(kernel)].end.value;
  const double slowed = spans[list_of(5)][static_cast<std::size_t>(kernel)].end.value;
  CHECK(slowed == Approx(2 * healthy).epsilon(1e-9));
  // Node 0 starts its collective when the slow one comes, node 1 at once.
  CHECK(spans[list_of(0)][static_cast<std::size_t>(sum)].start.value == Approx(slowed));
  CHECK(spans[list_of(8)][static_cast<std::size_t>(sum)].start.value == Approx(healthy));
}

TEST_CASE("a degraded NIC stretches the ring that crosses it") {
  const auto degraded = [](Cluster& c) { c.stragglers.links = {{DegradedPart::nic, 1, 3, 0.5}}; };
  GroupStep healthy("dgx-h100", 2, plan_of(8, 1, 2)), step("dgx-h100", 2, plan_of(8, 1, 2), degraded);
  const auto ring = [](GroupStep& s) {
    return s.add(0, s.collective(CommGroup::gradients, CollectiveKind::all_reduce, Bytes(64e6), s.paths().gradients),
                 Stream::dp);
  };
  ring(healthy);
  ring(step);
  const RankRuns before = healthy.run(LinkSharing::alone), after = step.run(LinkSharing::alone);
  const auto end_of = [](const RankRuns& runs, int rank) {
    return runs.timeline.spans[static_cast<std::size_t>(runs.classes.of_rank[static_cast<std::size_t>(rank)])][0]
        .end.value;
  };
  REQUIRE(after.classes.classes.size() == 2);
  CHECK(end_of(after, 0) == Approx(end_of(before, 0)));
  CHECK(end_of(after, 3) > 1.5 * end_of(before, 3));
  CHECK(end_of(after, 3) < 2.0 * end_of(before, 3) + 1e-12);
  REQUIRE_FALSE(after.links.empty());
  CHECK(after.links.front().health == 0.5);
}

TEST_CASE("jitter is drawn by seed, and each rank draws for itself") {
  const auto jitter = [](Cluster& c) { c.stragglers.jitter = 0.1; };
  const auto other_seed = [](Cluster& c) {
    c.stragglers.jitter = 0.1;
    c.stragglers.seed = 2;
  };
  const auto end_of = [](void (*edit)(Cluster&)) {
    GroupStep step("dgx-h100", 1, plan_of(8, 1, 1), edit);
    step.add(0, gemm(4096), Stream::compute);
    const RankRuns runs = step.run(LinkSharing::alone);
    std::vector<double> ends;
    for (const auto& spans : runs.timeline.spans) ends.push_back(spans[0].end.value);
    return ends;
  };
  const std::vector<double> first = end_of(jitter);
  REQUIRE(first.size() == 8);
  CHECK(first == end_of(jitter));
  CHECK(first != end_of(other_seed));
  CHECK(first[0] != first[1]);
}

TEST_CASE("a program that cannot finish names every blocked rank and what it waits for") {
  GroupStep step("dgx-h100", 2, plan_of(8, 2, 1));
  const int path = step.path(step.paths().next_stage);
  // Both stages wait for the other's message before they send theirs.
  const int first = step.add(0, Receive{Bytes(1e6), path, 1}, Stream::receive_backward);
  step.add(0, Send{Bytes(1e6), path, 0}, Stream::send_forward, {first});
  const int second = step.add(1, Receive{Bytes(1e6), path, 0}, Stream::receive_forward);
  step.add(1, Send{Bytes(1e6), path, 1}, Stream::send_backward, {second});
  std::string text;
  try {
    step.run(LinkSharing::alone);
  } catch (const StuckProgram& e) {
    text = e.what();
  }
  CHECK_THAT(text,
             Catch::Contains("rank 0 and 7 like it (stage 0): instruction 0 on pp receive backward waits for rank 8"));
  CHECK_THAT(text,
             Catch::Contains("rank 8 and 7 like it (stage 1): instruction 0 on pp receive forward waits for rank 0"));
  CHECK_THAT(text, Catch::Contains("instruction 1 on pp send forward waits for instruction 0 on pp receive backward"));
}
