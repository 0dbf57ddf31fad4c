#include "analysis/job/failure_simulation.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

namespace trainyard {
namespace {

constexpr Seconds forever(1e12);

RunPlan fifty_segments() {
  RunPlan plan;
  plan.segments = 50;
  plan.segment_work = 200_s;
  plan.last_segment_work = 70_s;
  plan.cost = {10_s, 0_s, 0_s};
  plan.restart = 150_s;
  return plan;
}

FailureLaw failing_every(Seconds mttf) {
  FailureLaw law;
  law.mttf = mttf;
  return law;
}

struct Sample {
  double mean = 0;
  double standard_error = 0;
};
template <class Measure>
Sample sampled(const RunPlan& plan, const FailureLaw& law, int runs, Measure measure) {
  double sum = 0;
  double squares = 0;
  for (int run = 0; run < runs; ++run) {
    Random random(7, static_cast<std::uint64_t>(run));
    const double value = measure(simulate_run(plan, law, forever, random));
    sum += value;
    squares += value * value;
  }
  const double mean = sum / runs;
  return {mean, std::sqrt((squares / runs - mean * mean) / runs)};
}
double total_of(const RunTimes& times) { return times.total().value; }

// Chance exceeds four standard errors once in 16 000 seeds; the seed is fixed.
constexpr double four_standard_errors = 4;

void check_agreement(const RunPlan& plan, Seconds mttf) {
  const Sample sample = sampled(plan, failing_every(mttf), 4000, total_of);
  INFO(sample.mean << " +- " << sample.standard_error);
  CHECK(std::fabs(sample.mean - expected_run_time(plan, mttf).value) < four_standard_errors * sample.standard_error);
}

TEST_CASE("without failures a run takes its work and its stalls") {
  Random random(1, 0);
  const RunTimes times = simulate_run(fifty_segments(), FailureLaw{}, forever, random);
  CHECK(times.work == 9870_s);  // 49 x 200 + 70
  CHECK(times.checkpoint_stalls == 500_s);
  CHECK(times.total() == 10370_s);
  CHECK(times.failures == 0);
  CHECK(times.finished);
}

TEST_CASE("the mean of many runs agrees with the exact formula") {
  SECTION("rare failures") { check_agreement(fifty_segments(), 20000_s); }
  SECTION("failures as frequent as ten checkpoints") { check_agreement(fifty_segments(), 2000_s); }
  SECTION("failures more frequent than checkpoints") { check_agreement(fifty_segments(), 150_s); }
  SECTION("uploads behind the training") {
    RunPlan plan = fifty_segments();
    plan.cost.upload = 120_s;
    check_agreement(plan, 1000_s);
  }
  SECTION("uploads longer than a segment") {
    RunPlan plan = fifty_segments();
    plan.cost.upload = 300_s;
    check_agreement(plan, 1500_s);
  }
  SECTION("one segment") {
    RunPlan plan = fifty_segments();
    plan.segments = 1;
    plan.last_segment_work = 3000_s;
    plan.cost.upload = 50_s;
    check_agreement(plan, 2000_s);
  }
}

TEST_CASE("a run has one failure per mean time between failures") {
  // The end of a run is a stopping time of the Poisson process, so E[failures] = E[duration] / M.
  const Sample difference = sampled(fifty_segments(), failing_every(1000_s), 4000, [](const RunTimes& times) {
    return static_cast<double>(times.failures) - times.total() / 1000_s;
  });
  CHECK(std::fabs(difference.mean) < four_standard_errors * difference.standard_error);
}

TEST_CASE("Weibull failures keep the mean time between them") {
  // Wald: the gaps drawn by the end of a run, failures + 1, sum to M each on average; over 4e5 gaps of shape 0.7
  // (coefficient of variation 1.46) the mean is known to 1.46 / sqrt(4e5) = 0.23 %.
  FailureLaw law = failing_every(1000_s);
  law.weibull_shape = 0.7;
  RunPlan plan = fifty_segments();
  plan.segments = 1'000'000;
  Random random(3, 0);
  const RunTimes times = simulate_run(plan, law, forever, random);
  REQUIRE(times.failures > 200'000);
  CHECK(times.total().value / static_cast<double>(times.failures) == Approx(1000).epsilon(4 * 0.0033));
}

TEST_CASE("every second of a run is accounted for") {
  RunPlan plan = fifty_segments();
  plan.cost.upload = 30_s;
  FailureLaw law = failing_every(700_s);
  law.node_loss_share = 0.5;
  law.node_repair = 500_s;
  law.spare_nodes = 1;
  for (std::uint64_t run = 0; run < 200; ++run) {
    Random random(5, run);
    const RunTimes times = simulate_run(plan, law, forever, random);
    CHECK(times.work.value == Approx(9870));
    // 50 x 10 s and the last upload
    CHECK(times.checkpoint_stalls.value == Approx(530));
    CHECK(times.lost_work >= 0_s);
    CHECK(times.restarts >= 0_s);
    CHECK(times.waiting_for_nodes >= 0_s);
  }
}

TEST_CASE("a lost node without a spare is waited for until it is repaired") {
  FailureLaw law = failing_every(2000_s);
  law.node_loss_share = 1;
  law.node_repair = 5_s;
  law.spare_nodes = 0;
  RunPlan plan = fifty_segments();
  plan.segments = 5000;
  Random random(2, 0);
  const RunTimes times = simulate_run(plan, law, forever, random);
  REQUIRE(times.failures > 500);
  // 5 s per failure; the next failure cuts a wait short with probability 5/2000.
  CHECK(times.waiting_for_nodes.value / static_cast<double>(times.failures) == Approx(5).epsilon(0.005));
}

TEST_CASE("with spares at hand nobody waits") {
  FailureLaw law = failing_every(2000_s);
  law.node_loss_share = 1;
  law.node_repair = 86400_s;
  for (const std::optional<int> spares : {std::optional<int>(), std::optional<int>(100'000)}) {
    law.spare_nodes = spares;
    Random random(2, 0);
    CHECK(simulate_run(fifty_segments(), law, forever, random).waiting_for_nodes == 0_s);
  }
}

TEST_CASE("a run that outlives its horizon is given up") {
  // e^((200 + 10 + 150) / 10) restarts per segment.
  Random random(1, 0);
  const RunTimes times = simulate_run(fifty_segments(), failing_every(10_s), 1e5 * 1_s, random);
  CHECK_FALSE(times.finished);
  CHECK(times.work == 0_s);
}

TEST_CASE("a run whose restarts never succeed ends after a million failures") {
  RunPlan plan = fifty_segments();
  plan.restart = 1e6 * 1_s;
  Random random(1, 0);
  const RunTimes times = simulate_run(plan, failing_every(10_s), forever, random);
  CHECK_FALSE(times.finished);
  CHECK(times.failures == 1'000'000);
}

TEST_CASE("uniform numbers lie inside (0, 1) and have their mean and variance") {
  Random random(11, 4);
  double sum = 0;
  double squares = 0;
  constexpr int draws = 100'000;
  for (int i = 0; i < draws; ++i) {
    const double u = random.uniform();
    REQUIRE((u > 0 && u < 1));
    sum += u;
    squares += u * u;
  }
  // Standard errors sqrt(1/12/n) = 0.00091 and sqrt(4/45/n) = 0.00094 around 1/2 and 1/3.
  CHECK(sum / draws == Approx(0.5).margin(4 * 0.00091));
  CHECK(squares / draws == Approx(1.0 / 3.0).margin(4 * 0.00094));
}

TEST_CASE("equal seeds and streams draw the same, others differ") {
  Random a(1, 0);
  Random same(1, 0);
  Random other_seed(2, 0);
  Random other_stream(1, 1);
  const std::uint64_t first = a.bits();
  CHECK(first == same.bits());
  CHECK(first != other_seed.bits());
  CHECK(first != other_stream.bits());
}

}  // namespace
}  // namespace trainyard
