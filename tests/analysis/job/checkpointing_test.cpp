#include "analysis/job/checkpointing.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/analysis/job/published_jobs.hpp"

namespace trainyard {
namespace {

using testing::hour;

// Llama 3 405B: 419 unexpected interruptions in 54 days (arXiv 2407.21783, table 5): 54 x 24 h / 419 = 3.0931 h.
constexpr Seconds llama3_mttf(54.0 * 24 * 3600 / 419);

double minutes(Seconds t) { return t.value / 60; }

// What a segment of work costs per work, with nothing uploaded behind it.
double cost_per_work(Seconds work, Seconds stall, Seconds restart, Seconds mttf) {
  return expected_segment_time(work + stall, {stall, {}, {}}, restart, mttf) / work;
}

TEST_CASE("Young's interval of the Llama 3 failure rate") {
  // sqrt(2 x 30 x 11135.1) = 817.4 s; sqrt(2 x 120 x 11135.1) = 1634.8 s.
  CHECK(minutes(young_interval(30_s, llama3_mttf)) == Approx(13.62).margin(0.005));
  CHECK(minutes(young_interval(120_s, llama3_mttf)) == Approx(27.25).margin(0.005));
}

TEST_CASE("Daly's interval is a little shorter than Young's") {
  // delta/2M = 120 / 22270 = 0.0053884, its root 0.073406: 1634.8 s x (1 + 0.024469 + 0.000599) - 120 s = 1555.7 s.
  CHECK(minutes(daly_interval(120_s, llama3_mttf)) == Approx(25.93).margin(0.005));
}

TEST_CASE("checkpoints that take longer than failures let run are one per failure, says Daly") {
  CHECK(daly_interval(2.0 * hour * 1_s, 1_s * hour) == 1_s * hour);
  CHECK(daly_interval(3.0 * hour * 1_s, 1_s * hour) == 1_s * hour);
}

TEST_CASE("the optimal interval is the root of its equation and no neighbour is cheaper") {
  for (const double stall : {0.1, 30.0, 1200.0, 40000.0}) {
    const Seconds delta(stall);
    const Seconds best = optimal_interval({delta, {}, {}}, llama3_mttf);
    INFO(stall);
    CHECK(1.0 - best / llama3_mttf == Approx(std::exp(-((best + delta) / llama3_mttf))).epsilon(1e-9));
    const double least = cost_per_work(best, delta, 600_s, llama3_mttf);
    CHECK(cost_per_work(best * 0.99, delta, 600_s, llama3_mttf) > least);
    CHECK(cost_per_work(best * 1.01, delta, 600_s, llama3_mttf) > least);
  }
}

TEST_CASE("Daly's estimate is within a thousandth of the optimum when checkpoints are short") {
  const Seconds best = optimal_interval({120_s, {}, {}}, llama3_mttf);
  CHECK(daly_interval(120_s, llama3_mttf) / best == Approx(1.0).epsilon(1e-3));
}

TEST_CASE("an interval is no shorter than the upload of the checkpoint before") {
  // Without an upload: about sqrt(2 x 1 x 11135) = 149 s.
  CHECK(optimal_interval({1_s, 0_s, {}}, llama3_mttf) < 150_s);
  CHECK(optimal_interval({1_s, 600_s, {}}, llama3_mttf) == 599_s);
}

TEST_CASE("goodput of half-minute checkpoints and ten-minute restarts") {
  // tau = 817.4 s, M = 11135.1 s. First order: delta/tau = 3.67 %, (tau/2 + R)/M = (408.7 + 600)/11135.1 = 9.06 %.
  // Exact: M/tau e^(R/M) (e^((tau+delta)/M) - 1) = 13.6227 x 1.05537 x 0.079071 = 1.13680.
  const Seconds tau = young_interval(30_s, llama3_mttf);
  CHECK(30_s / tau + (tau / 2.0 + 600_s) / llama3_mttf == Approx(0.127).margin(0.0005));
  CHECK(cost_per_work(tau, 30_s, 600_s, llama3_mttf) == Approx(1.1368).margin(0.0002));
}

TEST_CASE("goodput of five-second checkpoints and five-minute restarts") {
  // tau = sqrt(2 x 5 x 11135.1) = 333.7 s. First order: 1.50 % + (166.8 + 300)/11135.1 = 4.19 %, goodput 94.3 %.
  // Exact: 33.369 x e^0.026942 x (e^0.030417 - 1) = 33.369 x 1.027308 x 0.030884 = 1.05872, goodput 94.45 %.
  const Seconds tau = young_interval(5_s, llama3_mttf);
  CHECK(5_s / tau + (tau / 2.0 + 300_s) / llama3_mttf == Approx(0.0569).margin(0.0001));
  CHECK(1.0 / cost_per_work(tau, 5_s, 300_s, llama3_mttf) == Approx(0.9445).margin(0.0002));
}

TEST_CASE("a run without failures takes its work, its stalls and the last upload") {
  RunPlan plan;
  plan.segments = 3;
  plan.segment_work = 100_s;
  plan.last_segment_work = 40_s;
  plan.cost = {2_s, 10_s, 0_s};
  // 2 x (100 + 2) + (40 + 2) + 10
  CHECK(expected_run_time(plan, std::nullopt) == 256_s);
  CHECK(expected_run_time(plan, Seconds(1e12)).value == Approx(256).epsilon(1e-6));
}

TEST_CASE("a segment shorter than the upload waits for it") {
  RunPlan plan;
  plan.segments = 2;
  plan.segment_work = 5_s;
  plan.last_segment_work = 50_s;
  plan.cost = {1_s, 20_s, 0_s};
  CHECK(plan.segment_time() == 20_s);
  CHECK(plan.last_segment_time() == 51_s);
}

TEST_CASE("a run of one segment must be done in one piece") {
  RunPlan plan;
  plan.last_segment_work = 1000_s;
  plan.restart = 100_s;
  // M e^(R/M) (e^(L/M) - 1) with M = 1000: 1000 x e^0.1 x (e - 1) = 1000 x 1.105171 x 1.718282 = 1899.0
  CHECK(expected_run_time(plan, 1000_s).value == Approx(1899.0).margin(0.1));
}

TEST_CASE("an upload costs what a restart longer by as much costs") {
  const Seconds with_upload = expected_segment_time(500_s, {10_s, 60_s, {}}, 100_s, 5000_s);
  CHECK(with_upload == expected_segment_time(500_s, {10_s, 0_s, {}}, 160_s, 5000_s));
}

TEST_CASE("a synchronous checkpoint of Llama 3 405B stops training for its write") {
  ReliabilityProfile profile = testing::perfect_machines();
  profile.checkpoint_barrier = 1_s;
  profile.storage_bandwidth = BytesPerSecond(2e12);
  profile.client_bandwidth = BytesPerSecond(10e9);
  const CheckpointCost cost = checkpoint_cost(testing::llama3_405b(), profile);
  // 14 B x 405e9 = 5.67 TB at 2 TB/s: 2.835 s; a node's 8 x 346 MB at 10 GB/s would take 0.277 s.
  CHECK(cost.stall.value == Approx(1 + 2.835));
  CHECK(cost.upload == 0_s);
  CHECK(cost.load.value == Approx(2.835));
}

TEST_CASE("a two-stage checkpoint stops training for the copy to host memory only") {
  ReliabilityProfile profile = testing::perfect_machines();
  profile.checkpoint_mode = CheckpointMode::two_stage;
  profile.copy_bandwidth = BytesPerSecond(25e9);
  profile.client_bandwidth = BytesPerSecond(1e9);
  profile.storage_bandwidth = BytesPerSecond(4e12);
  profile.load_amplification = 128;
  const CheckpointCost cost = checkpoint_cost(testing::llama3_405b(), profile);
  // Per GPU 5.67e12 / 16384 = 346.07 MB: 13.84 ms at 25 GB/s. The node's 2.7686 GB at 1 GB/s bound the upload,
  // not the 1.4175 s of the storage.
  CHECK(cost.stall.value == Approx(0.013843).epsilon(1e-4));
  CHECK(cost.upload.value == Approx(2.7686).epsilon(1e-4));
  // Every data-parallel replica reads it all: 128 x 1.4175 s.
  CHECK(cost.load.value == Approx(181.44));
}

}  // namespace
}  // namespace trainyard
