// Why a plan loses, from two steps written by hand.
#include <catch2/catch.hpp>

#include "analysis/plan_words.hpp"
#include "analysis/sweep/runner_up.hpp"

namespace trainyard {
namespace {

using Catch::Contains;

TimedPlan winner() {
  TimedPlan timed;
  timed.plan.tensor_parallel = 8;
  timed.plan.pipeline_parallel = 4;
  timed.plan.virtual_stages = 6;
  timed.plan.schedule = "interleaved";
  timed.plan.data_parallel = 2;
  timed.breakdown.compute = 9_s;
  timed.breakdown.exposed_tp = 2_s;
  timed.breakdown.bubble = 1_s;
  timed.step_time = timed.breakdown.total();
  timed.peak = 60_GiB;
  return timed;
}

// 420 ms more bubble, 100 ms less tensor parallel, 1 ms more optimizer: 321 ms longer.
TimedPlan loser() {
  TimedPlan timed = winner();
  timed.plan.tensor_parallel = 4;
  timed.plan.pipeline_parallel = 8;
  timed.plan.virtual_stages = 3;
  timed.line = plan_line(timed.plan);
  timed.breakdown.bubble += 420_ms;
  timed.breakdown.exposed_tp -= 100_ms;
  timed.breakdown.optimizer += 1_ms;
  timed.step_time = timed.breakdown.total();
  timed.peak = 48_GiB;
  return timed;
}

TEST_CASE("the difference comes first, then the terms by size with what is behind them, then memory") {
  const std::vector<std::string> why = why_it_loses(winner(), loser());
  REQUIRE(why.size() == 4);
  // 321 ms of 12 s
  CHECK_THAT(why[0], Contains("tp 4 · pp 8 · vpp 3") && Contains("takes 321.0 ms longer (+2.7 %)"));
  CHECK(why[1] ==
        "pipeline bubble 420.0 ms longer (pp 8 vpp 3 interleaved mbs 1 against pp 4 vpp 6 interleaved mbs 1)");
  CHECK(why[2] == "exposed tensor parallel 100.0 ms shorter (tp 4 against tp 8)");
  CHECK(why[3] == "it needs 12.00 GiB less memory per GPU");
}

TEST_CASE("a term that is too small to explain anything is left out") {
  // The optimizer's millisecond is 0.008 % of the step.
  for (const std::string& sentence : why_it_loses(winner(), loser())) CHECK_THAT(sentence, !Contains("optimizer"));
}

TEST_CASE("settings that are the same explain nothing") {
  TimedPlan slower = winner();
  slower.breakdown.bubble += 1_s;
  slower.step_time += 1_s;
  const std::vector<std::string> why = why_it_loses(winner(), slower);
  REQUIRE(why.size() == 2);
  CHECK(why[1] == "pipeline bubble 1.000 s longer");
}

TEST_CASE("plans that take the same time are said to") {
  const std::vector<std::string> why = why_it_loses(winner(), winner());
  REQUIRE(why.size() == 1);
  CHECK_THAT(why[0], Contains("takes as long"));
}

TEST_CASE("plans are cut alike if only switches or places differ") {
  Plan a = winner().plan, b = a;
  b.overlap_grad_reduce = true;
  b.recompute = Recompute::selective;
  b.rank_order = "dp-tp-cp-ep-pp";
  CHECK(cut_alike(a, b));
  b.micro_batch_size = 2;
  CHECK_FALSE(cut_alike(a, b));
}

}  // namespace
}  // namespace trainyard
