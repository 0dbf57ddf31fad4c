#include "analysis/job/job_simulation.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "tests/analysis/job/published_jobs.hpp"

namespace trainyard {
namespace {

using testing::day;
using testing::hour;
using testing::llama3_405b;
using testing::perfect_job;
using testing::published_step;

double days(const JobResult& result) { return result.duration.value / day; }

JobRequest llama3_job() {
  JobRequest request;
  request.step = llama3_405b();
  request.reliability = load_reliability("meta-llama3-h100");
  request.tokens = 15.6e12;
  request.replicas = 200;
  return request;
}

TEST_CASE("Narayanan's GPT-3 takes 34 days") {
  // 8 T P / (n X) = 8 x 300e9 x 175e9 / (1024 x 140e12) = 2.930e6 s = 33.91 days (arXiv 2104.04473, eq. 4). The last
  // step is rounded up, less than 1536 x 2048 of 300e9 tokens.
  const JobStep step = published_step(1024, 1536.0 * 2048, 8 * 175e9, FlopsPerSecond(140e12));
  CHECK(days(simulate_job(perfect_job(step, 300e9))) == Approx(33.91).epsilon(2e-4));
}

TEST_CASE("Narayanan's trillion-parameter model takes 84 days") {
  // 8 x 450e9 x 1e12 / (3072 x 163e12) = 7.1894e6 s = 83.21 days (published: 84).
  const JobStep step = published_step(3072, 3072.0 * 2048, 8 * 1e12, FlopsPerSecond(163e12));
  CHECK(days(simulate_job(perfect_job(step, 450e9))) == Approx(83.21).epsilon(2e-4));
}

TEST_CASE("DeepSeek-V3 takes 3.7 days per trillion tokens on 2048 GPUs") {
  // 14.8e12 tokens in 2.664e6 H800-hours: 1543.2 tokens/s per GPU; 1e12 / (2048 x 1543.2) = 3.662 days.
  JobStep step = published_step(2048, 15360.0 * 4096, 1, FlopsPerSecond(1543.2));
  CHECK(days(simulate_job(perfect_job(step, 1e12))) == Approx(3.662).epsilon(1e-3));
}

TEST_CASE("MegaScale's step gives its published throughput") {
  // 6144 x 2048 tokens in 6.34 s: 1.985e6 tokens/s, so 300e9 tokens in 1.749 days (NSDI '24, table 2: 1.75 days).
  JobStep step = published_step(12288, 6144.0 * 2048, 1, FlopsPerSecond(1));
  step.step_time = Seconds(6.34);
  CHECK(days(simulate_job(perfect_job(step, 300e9))) == Approx(1.749).epsilon(1e-3));
}

TEST_CASE("perfect machines are useful all of the time") {
  const JobResult r = simulate_job(perfect_job(llama3_405b(), 1e12));
  CHECK(r.goodput == Approx(1));
  CHECK(r.ettr == Approx(1));
  CHECK(r.failures == 0);
  CHECK(r.duration_p10 == r.duration_p90);
  CHECK_FALSE(r.mttf);
  CHECK(r.intervals.empty());
  CHECK(r.experiments.empty());
  // One checkpoint, at the end.
  CHECK(r.checkpoint_every_steps == r.steps);
}

TEST_CASE("the last step is a whole one") {
  const JobStep step = llama3_405b();
  CHECK(simulate_job(perfect_job(step, 10 * step.tokens_per_step)).steps == 10);
  CHECK(simulate_job(perfect_job(step, 10.01 * step.tokens_per_step)).steps == 11);
  CHECK(simulate_job(perfect_job(step, 1)).steps == 1);
}

TEST_CASE("Llama 3 405B trains effectively for more than 90 % of the time") {
  // Published: > 90 % effective training time, 419 failures in 54 days (arXiv 2407.21783, section 3.3.4).
  const JobResult r = simulate_job(llama3_job());
  CHECK(r.ettr > 0.90);
  CHECK(r.ettr < 0.99);
  CHECK(r.failures == Approx(419.0 * r.duration.value / (54 * day)).epsilon(0.03));
  CHECK(r.goodput < r.ettr);
}

TEST_CASE("parts of the time sum to it") {
  const JobResult r = simulate_job(llama3_job());
  CHECK(r.times.total().value == Approx(r.duration.value));
  CHECK(r.times.useful.value == Approx(static_cast<double>(r.steps) * llama3_405b().step_time.value));
  CHECK(r.times.lost_work > 0_s);
  CHECK(r.times.restarts > 0_s);
  CHECK(r.times.stragglers > 0_s);
  CHECK(r.duration_p10 <= r.duration_p50);
  CHECK(r.duration_p50 <= r.duration_p90);
}

TEST_CASE("simulated runs agree with the exact formula") {
  JobRequest request = perfect_job(llama3_405b(), 2e12);
  request.reliability = load_reliability(
      "meta-llama3-h100",
      {{"gpu_speed_sigma", "0"}, {"compute_jitter", "0"}, {"collective_jitter", "0"}, {"spare_policy", "unlimited"}});
  request.mttf = Seconds(2 * hour);
  request.replicas = 2000;
  const JobResult r = simulate_job(request);
  // Four standard errors: once in 16 000 seeds; the seed is fixed.
  CHECK(std::fabs((r.duration - r.expected).value) < 4 * r.duration_standard_error.value);
  CHECK(r.duration_standard_error / r.duration < 1e-3);
}

TEST_CASE("the same seed gives the same answer, another one a slightly different one") {
  JobRequest request = llama3_job();
  const Seconds first = simulate_job(request).duration;
  CHECK(simulate_job(request).duration == first);
  request.seed = 2;
  const Seconds second = simulate_job(request).duration;
  CHECK(second != first);
  CHECK(second / first == Approx(1).epsilon(0.01));
}

TEST_CASE("no listed interval is better than the optimal one") {
  JobRequest request = llama3_job();
  request.interval = {IntervalRule::given, Seconds(3 * hour)};
  const JobResult r = simulate_job(request);
  REQUIRE(r.intervals.size() == 8);
  const auto best = std::min_element(r.intervals.begin(), r.intervals.end(),
                                     [](const auto& a, const auto& b) { return a.duration < b.duration; });
  // Intervals are whole steps, so that neighbours of the optimum may tie to a millionth.
  CHECK(r.intervals[1].label == "optimal");
  CHECK(r.intervals[1].duration / best->duration == Approx(1).epsilon(1e-6));
  CHECK(r.intervals[0].duration == r.expected);
  CHECK(r.experiments.front().setting == "--checkpoint-interval optimal");
  CHECK(r.experiments.front().duration < r.expected);
}

TEST_CASE("an experiment predicts what its setting then gives") {
  JobRequest request = llama3_job();
  request.reliability = load_reliability("meta-llama3-h100", {{"checkpoint_mode", "synchronous"}});
  const JobResult before = simulate_job(request);
  const auto found = std::find_if(before.experiments.begin(), before.experiments.end(), [](const JobExperiment& e) {
    return e.setting == "--set reliability.checkpoint_mode=two_stage";
  });
  REQUIRE(found != before.experiments.end());
  request.reliability = load_reliability("meta-llama3-h100");
  const JobResult after = simulate_job(request);
  CHECK(found->duration.value == Approx((after.expected + before.times.waiting_for_nodes).value));
}

TEST_CASE("slow nodes cost what finding them is predicted to save") {
  JobRequest request = llama3_job();
  request.reliability = load_reliability(
      "meta-llama3-h100", {{"gpu_speed_sigma", "0"}, {"compute_jitter", "0"}, {"slow_node_probability", "0.005"}});
  const JobResult r = simulate_job(request);
  REQUIRE_FALSE(r.experiments.empty());
  CHECK(r.experiments.front().setting == "--set reliability.slow_node_probability=0");
  // About 10 of 2048 nodes are slow, each one stage of a pipeline: (15 x 1 + 1.1 + 15 x 1.1) / 31 = 1.0516. Two of them
  // in one pipeline, as in a third of the fleets, add 0.1 / 31 = 0.3 %.
  CHECK(r.experiments.front().duration / r.expected == Approx(1 / 1.0516).epsilon(0.003));
}

TEST_CASE("a job that fails faster than it restarts never finishes, and says why") {
  JobRequest request = llama3_job();
  request.mttf = 30_s;
  const JobResult r = simulate_job(request);
  CHECK_FALSE(r.finishes);
  CHECK_THAT(r.why_not, Catch::Contains("a failure every 30.0 s leaves no progress"));
  CHECK(r.duration == 0_s);
  // Also when only the simulated runs can tell.
  request.reliability.weibull_shape = 1.5;
  CHECK_FALSE(simulate_job(request).finishes);
}

TEST_CASE("a job whose lost nodes stay in repair says that it waits for them") {
  JobRequest request = llama3_job();
  request.reliability.node_loss_share = 1;
  request.reliability.node_repair = Seconds(1e6 * 24 * hour);
  request.reliability.spare_policy = SparePolicy::pool;
  request.reliability.spare_share = 0;
  const JobResult r = simulate_job(request);
  CHECK_FALSE(r.finishes);
  CHECK(r.why_not == "it waits for nodes: a lost one is in repair for 1000000 days, and there are 0 spares");
}

TEST_CASE("checkpoints that take all the time still let a job without failures finish") {
  JobRequest request = perfect_job(llama3_405b(), 10 * llama3_405b().tokens_per_step);
  request.interval = {IntervalRule::given, 1_s};
  request.reliability.checkpoint_barrier = Seconds(1000 * hour);
  const JobResult r = simulate_job(request);
  CHECK(r.finishes);
  // A checkpoint after each of the 10 steps.
  CHECK(r.times.checkpoint_stalls.value == Approx(10 * 1000 * hour));
}

TEST_CASE("more failures never shorten a job") {
  JobRequest request = llama3_job();
  request.replicas = 1;
  Seconds before;
  for (const double hours : {1000.0, 100.0, 10.0, 3.0, 1.0, 0.5}) {
    request.mttf = Seconds(hours * hour);
    const Seconds expected = simulate_job(request).expected;
    CHECK(expected > before);
    before = expected;
  }
}

TEST_CASE("cost is GPU-hours times the price") {
  JobRequest request = perfect_job(llama3_405b(), 1e12);
  CHECK_FALSE(simulate_job(request).cost);
  request.price_per_gpu_hour = 2.5;
  const JobResult r = simulate_job(request);
  CHECK(r.gpu_hours == Approx(16384 * r.duration.value / hour));
  CHECK(*r.cost == Approx(2.5 * r.gpu_hours));
  request.price_per_gpu_hour.reset();
  request.reliability.price_per_gpu_hour = 2;
  CHECK(*simulate_job(request).cost == Approx(2 * r.gpu_hours));
}

TEST_CASE("numbers that mean nothing are refused") {
  const auto refused = [](auto change) {
    JobRequest request = llama3_job();
    change(request);
    CHECK_THROWS_AS(simulate_job(request), std::invalid_argument);
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  refused([&](JobRequest& r) { r.tokens = nan; });
  refused([&](JobRequest& r) { r.tokens = -1; });
  refused([&](JobRequest& r) { r.tokens = infinity; });
  refused([&](JobRequest& r) { r.tokens = 0; });
  refused([&](JobRequest& r) { r.step.step_time = Seconds(nan); });
  refused([&](JobRequest& r) { r.step.step_time = Seconds(-1); });
  refused([&](JobRequest& r) { r.step.tokens_per_step = 0; });
  refused([&](JobRequest& r) { r.step.gpus = 0; });
  refused([&](JobRequest& r) { r.step.pipeline_stages = 7; });
  refused([&](JobRequest& r) { r.step.data_parallel_time = r.step.step_time * 2.0; });
  refused([&](JobRequest& r) { r.step.checkpoint_bytes = Bytes(nan); });
  refused([&](JobRequest& r) { r.mttf = Seconds(nan); });
  refused([&](JobRequest& r) { r.mttf = Seconds(0); });
  refused([&](JobRequest& r) { r.interval = {IntervalRule::given, Seconds(0)}; });
  refused([&](JobRequest& r) { r.price_per_gpu_hour = -1; });
  refused([&](JobRequest& r) { r.price_per_gpu_hour = nan; });
  refused([&](JobRequest& r) { r.replicas = 0; });
}

}  // namespace
}  // namespace trainyard
