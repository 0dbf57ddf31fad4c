#include "analysis/job/step_variation.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/analysis/job/published_jobs.hpp"

namespace trainyard {
namespace {

using testing::perfect_machines;

JobStep step_on(int gpus, int pipeline_stages, int data_parallel, int micro_batches) {
  JobStep step;
  step.step_time = 10_s;
  step.tokens_per_step = 1e6;
  step.gpus = gpus;
  step.gpus_per_node = 8;
  step.pipeline_stages = pipeline_stages;
  step.data_parallel = data_parallel;
  step.micro_batches = micro_batches;
  return step;
}

double factor(const JobStep& step, const ReliabilityProfile& profile) { return vary_step(step, profile, 1).factor(); }

// Quantities over 32 drawn fleets, or 32 x 32 drawn steps.
constexpr double root_fleets = 5.657;
constexpr double root_steps = 32;

TEST_CASE("the expected maximum of normal variables is the tabulated one") {
  // Harter 1961, Biometrika 48, table 1.
  CHECK(expected_normal_maximum(1) == Approx(0).margin(1e-6));
  CHECK(expected_normal_maximum(2) == Approx(0.56419).margin(1e-4));
  CHECK(expected_normal_maximum(10) == Approx(1.53875).margin(1e-4));
  CHECK(expected_normal_maximum(100) == Approx(2.50759).margin(1e-4));
}

TEST_CASE("identical machines without jitter keep the predicted step") {
  const StepVariation v = vary_step(testing::llama3_405b(), perfect_machines(), 1);
  CHECK(v.factor() == 1.0);
  CHECK(v.p50 == testing::llama3_405b().step_time);
  CHECK(v.p95 == v.p50);
}

TEST_CASE("data-parallel ranks wait for the largest sum of jittering micro-batches") {
  ReliabilityProfile profile = perfect_machines();
  profile.compute_jitter = 0.02;
  // 2 % / sqrt(32) = 0.354 % per step and rank; E[max of 128] = 2.594 standard deviations (normal), +0.92 %.
  // The maximum varies by about 0.43 of them, the mean of 1024 steps by 0.43 x 0.354 % / 32; the lognormal's skew adds
  // sigma^2 (max^2 - 1) / 2 = 0.0036 %.
  const double sigma = 0.02 / std::sqrt(32.0);
  const double expected = 1 + sigma * expected_normal_maximum(128);
  CHECK(factor(step_on(128, 1, 128, 32), profile) ==
        Approx(expected).margin(4 * 0.43 * sigma / root_steps + sigma * sigma * 3));
}

TEST_CASE("a synchronous job runs at its slowest GPU") {
  ReliabilityProfile profile = perfect_machines();
  profile.gpu_speed_sigma = 0.012;
  profile.gpu_speed_worst = 0.9;
  // E[max of 64] = 2.389: +2.87 %.
  CHECK(factor(step_on(64, 1, 64, 8), profile) ==
        Approx(1 + 0.012 * expected_normal_maximum(64)).margin(4 * 0.43 * 0.012 / root_fleets));
}

TEST_CASE("the slowest of the calibration's GPUs is not counted twice") {
  ReliabilityProfile profile = perfect_machines();
  profile.gpu_speed_sigma = 0.012;
  profile.gpu_speed_worst = 0.9;
  profile.calibrated_gpus = 64;
  const double margin = 4 * 0.43 * 0.012 / root_fleets;
  const double held = 1 + 0.012 * expected_normal_maximum(64);
  CHECK(factor(step_on(4096, 1, 512, 8), profile) ==
        Approx((1 + 0.012 * expected_normal_maximum(4096)) / held).margin(margin));
  // A job of fewer GPUs than that is compared with its own size.
  CHECK(factor(step_on(8, 1, 8, 8), profile) == Approx(1).margin(margin));
}

TEST_CASE("no accepted GPU is slower than the acceptance limit") {
  ReliabilityProfile profile = perfect_machines();
  profile.gpu_speed_sigma = 0.5;
  profile.gpu_speed_worst = 0.03;
  // Of 4096 GPUs with that spread, some are at the limit for certain.
  CHECK(factor(step_on(4096, 1, 512, 8), profile) == Approx(1.03));
}

TEST_CASE("one slow node slows the job by all of its excess") {
  ReliabilityProfile profile = perfect_machines();
  profile.slow_node_excess = 0.1;
  profile.slow_node_probability = 1;
  CHECK(factor(step_on(64, 1, 64, 8), profile) == Approx(1.1));
  // 2048 nodes at 0.5 %: at least one slow with probability 1 - 0.995^2048 = 0.99997.
  profile.slow_node_probability = 0.005;
  CHECK(factor(step_on(16384, 1, 2048, 8), profile) == Approx(1.1));
  // 8 nodes: 1 - 0.995^8 = 3.93 % of the fleets; 32 fleets hold 0 to 6 (four standard deviations) of them.
  CHECK(factor(step_on(64, 1, 64, 8), profile) < 1 + 0.1 * 6 / 32);
}

TEST_CASE("the slowest stage paces a pipeline with many micro-batches, the mean one with a single one") {
  ReliabilityProfile profile = perfect_machines();
  profile.gpu_speed_sigma = 0.012;
  profile.gpu_speed_worst = 0.9;
  const double expected_max = 0.012 * expected_normal_maximum(16);
  // (sum + (m-1) max) / (16 + m - 1): for m = 1 the mean of 16 stages, never below 1; its deviation over the fleets is
  // 0.012 / 4 and the positive half's mean 0.4 of it.
  CHECK(factor(step_on(16, 16, 1, 1), profile) == Approx(1 + 0.4 * 0.003).margin(4 * 0.003 * 0.6 / root_fleets));
  const double m = 1000;
  CHECK(factor(step_on(16, 16, 1, 1000), profile) ==
        Approx(1 + expected_max * (m - 1) / (m + 15)).margin(4 * 0.5 * 0.012 / root_fleets));
}

TEST_CASE("jitter of a collective moves the tail, not the mean") {
  ReliabilityProfile profile = perfect_machines();
  profile.collective_jitter = 0.1;
  JobStep step = step_on(64, 1, 8, 8);
  step.data_parallel_time = 5_s;
  const StepVariation v = vary_step(step, profile, 1);
  // Half of the step times a lognormal of mean 1 and deviation 0.1: its 95th percentile is exp(0.09975 x 1.645 -
  // 0.004975) = 1.1724, known to sqrt(0.05 x 0.95 / 1024) / density(0.88) = 0.0077 from 1024 steps.
  CHECK(v.p95.value == Approx(10 * (0.5 + 0.5 * 1.1724)).margin(10 * 0.5 * 4 * 0.0077));
  // Fleets below the prediction count as the prediction: 0.05 / sqrt(32) x 0.4 above 1.
  CHECK(v.factor() == Approx(1 + 0.4 * 0.05 / root_fleets).margin(4 * 0.6 * 0.05 / root_steps));
}

TEST_CASE("the same seed draws the same steps") {
  ReliabilityProfile profile = load_reliability("large-cluster");
  const JobStep step = step_on(64, 2, 4, 8);
  CHECK(vary_step(step, profile, 5) == vary_step(step, profile, 5));
  CHECK_FALSE(vary_step(step, profile, 5) == vary_step(step, profile, 6));
}

TEST_CASE("quantiles interpolate between the sorted values") {
  CHECK(sample_quantile({4, 1, 3, 2}, 0.5) == 2.5);
  CHECK(sample_quantile({4, 1, 3, 2}, 0) == 1);
  CHECK(sample_quantile({4, 1, 3, 2}, 1) == 4);
  CHECK(sample_quantile({7}, 0.9) == 7);
}

}  // namespace
}  // namespace trainyard
