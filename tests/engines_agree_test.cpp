// The engines give the same step wherever nothing is shared, and the same bytes every time.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <thread>

#include "analysis/simulate.hpp"
#include "sim/engine/fluid_engine.hpp"

using namespace trainyard;

namespace {

using Overrides = std::vector<std::pair<std::string, std::string>>;

std::string scenario(const std::string& name) {
  return std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/" + name + ".yaml";
}

constexpr double microsecond = 1e-6;

struct Case {
  const char* scenario;
  Overrides overrides;
};

}  // namespace

TEST_CASE("engines agree to a microsecond where nothing is shared") {
  // No kernel beside communication and no two transfers on a link: one pipeline direction per NIC (pp 1 or 2),
  // gradients after the backward, no overlap of parameter gathers.
  const Overrides quiet = {{"plan.overlap_grad_reduce", "false"}, {"plan.overlap_param_gather", "false"}};
  const auto with = [&](Overrides more) {
    more.insert(more.end(), quiet.begin(), quiet.end());
    return more;
  };
  const Overrides one_direction = {{"nodes", "2"},    {"plan.tp", "8"},          {"plan.pp", "2"},
                                   {"plan.vpp", "1"}, {"plan.schedule", "1f1b"}, {"workload.global_batch_size", "16"}};
  const std::vector<Case> cases = {
      {"llama3-70b-64xh100", with({{"plan.tp", "8"}, {"plan.pp", "1"}, {"plan.vpp", "1"}, {"plan.schedule", "1f1b"}})},
      {"llama3-70b-64xh100", with(one_direction)},
      {"gpt3-175b-64xa100", with({{"nodes", "1"}, {"plan.pp", "1"}, {"plan.vpp", "1"}, {"plan.schedule", "1f1b"}})},
      {"mixtral-8x7b-64xh100", with({{"plan.pp", "1"}, {"plan.vpp", "1"}, {"plan.schedule", "1f1b"}})},
  };
  for (const Case& c : cases) {
    const Job job = load_job(scenario(c.scenario), c.overrides);
    REQUIRE(check_plan(job.plan, job.model, job.workload, job.cluster).empty());
    const Routes routes(job.cluster);
    for (const Granularity g : {Granularity::block, Granularity::layer, Granularity::operator_}) {
      const double analytic = simulate_step(job, routes, g).result.step_time.value;
      const StepResult fluid = simulate_step(job, routes, g, {EngineKind::fluid}).result;
      const StepResult ranks = simulate_step(job, routes, g, {EngineKind::analytic, true, true}).result;
      INFO(c.scenario << " " << static_cast<int>(g) << ": " << fluid.links.size() << " short links");
      CHECK(fluid.step_time.value == Approx(analytic).margin(microsecond));
      CHECK(ranks.step_time.value == Approx(analytic).margin(microsecond));
    }
  }
}

TEST_CASE("folding ranks changes nothing") {
  const std::vector<Case> cases = {{"llama3-70b-64xh100", {}},
                                   {"gpt3-175b-64xa100", {{"workload.global_batch_size", "16"}}},
                                   {"mixtral-8x7b-64xh100", {}},
                                   {"llama3-8b-64xh100-fsdp2", {}}};
  for (const Case& c : cases) {
    const Job job = load_job(scenario(c.scenario), c.overrides);
    const Routes routes(job.cluster);
    const SimulatedStep folded = simulate_step(job, routes, Granularity::layer, {EngineKind::fluid, true, true});
    const SimulatedStep each = simulate_step(job, routes, Granularity::layer, {EngineKind::fluid, true, false});
    INFO(c.scenario);
    CHECK(each.timeline.spans.size() == static_cast<std::size_t>(job.cluster.world_size()));
    CHECK(folded.timeline.spans.size() < each.timeline.spans.size());
    // SimGrid ends a flow within a fraction of a byte: nanoseconds over a step.
    CHECK(folded.result.step_time.value == Approx(each.result.step_time.value).margin(1e-7));
    for (std::size_t l = 0; l < each.timeline.spans.size(); ++l) {
      const RankResult &one = each.result.ranks[l], &same = folded.result.ranks[l];
      CHECK(one.breakdown.total().value == Approx(each.result.step_time.value).epsilon(1e-9));
      CHECK(same.breakdown.compute.value == Approx(one.breakdown.compute.value).margin(1e-6));
      CHECK(same.breakdown.bubble.value == Approx(one.breakdown.bubble.value).margin(1e-6));
    }
  }
}

TEST_CASE("the same inputs give the same bytes, ten times in a row") {
  const Job job = load_job(scenario("llama3-70b-64xh100"));
  const Routes routes(job.cluster);
  const SimulatedStep first = simulate_step(job, routes, Granularity::layer, {EngineKind::fluid});
  for (int i = 0; i < 10; ++i)
    REQUIRE(simulate_step(job, routes, Granularity::layer, {EngineKind::fluid}).timeline == first.timeline);
}

TEST_CASE("the analytic engine simulates every rank from several threads at once") {
  const Job job = load_job(scenario("llama3-70b-64xh100"), {{"stragglers.gpus", "[{gpu: 13, speed: 0.8}]"}});
  const Routes routes(job.cluster);
  const Timeline expected = simulate_step(job, routes, Granularity::layer, {EngineKind::analytic, true, true}).timeline;
  std::vector<Timeline> results(4);
  std::vector<std::thread> threads;
  for (Timeline& result : results)
    threads.emplace_back([&] {
      result = simulate_step(job, routes, Granularity::layer, {EngineKind::analytic, true, true}).timeline;
    });
  for (std::thread& t : threads) t.join();
  for (const Timeline& result : results) CHECK(result == expected);
}

TEST_CASE("one slow GPU shows where it hurts") {
  const Job healthy = load_job(scenario("llama3-70b-64xh100"));
  const Job slow = load_job(scenario("llama3-70b-64xh100"), {{"stragglers.gpus", "[{gpu: 13, speed: 0.8}]"}});
  const StepResult before =
      simulate_step(healthy, Routes(healthy.cluster), Granularity::operator_, {EngineKind::analytic, true, true})
          .result;
  const StepResult after = simulate_step(slow, Routes(slow.cluster), Granularity::operator_).result;
  // Its stage computes a quarter longer, which a pipeline cannot hide.
  CHECK(after.step_time > 1.1 * before.step_time);
  CHECK(after.step_time < 1.25 * before.step_time);
  const auto rank13 =
      std::find_if(after.ranks.begin(), after.ranks.end(), [](const RankResult& r) { return r.slowdown > 1; });
  REQUIRE(rank13 != after.ranks.end());
  CHECK(rank13->rank == 13);
  CHECK(rank13->breakdown.compute.value ==
        Approx(1.25 * before.per_stage[static_cast<std::size_t>(rank13->stage)].compute.value).epsilon(0.02));
  // Its tensor-parallel peers sit in their collectives meanwhile.
  const RankResult* peer = nullptr;
  for (const RankResult& r : after.ranks)
    if (r.slowdown == 1.0 && r.stage == rank13->stage &&
        (peer == nullptr || r.breakdown.exposed_tp > peer->breakdown.exposed_tp))
      peer = &r;
  REQUIRE(peer != nullptr);
  CHECK(peer->breakdown.exposed_tp >
        before.per_stage[static_cast<std::size_t>(peer->stage)].exposed_tp + 0.15 * rank13->breakdown.compute);
}
