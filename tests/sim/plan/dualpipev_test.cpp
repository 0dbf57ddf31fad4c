// DualPipeV on p stages follows DualPipe on 2 p: each stage does the work of two of its stages.
#include <catch2/catch.hpp>
#include <utility>

#include "tests/support/slot_simulator.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

SlotRun dualpipev(int stages, int micro_batches) {
  return run_slots("dualpipev", {.stages = stages, .chunks = 2, .micro_batches = micro_batches});
}

}  // namespace

TEST_CASE("DualPipeV runs DualPipe's eight steps on one copy of the model") {
  // p 2, m 4. Stage 0: F0 x2, (F0 F1), B1 W1 F1, pairs x1, (B1, F1 B0) x1, (B1 B0), W B0, W.
  // Stage 1: (F0 F1) x2, pairs x2 of which the first F0 and B1 are apart, (B1 B0) x2 the second split, W x2.
  const SlotRun run = dualpipev(2, 4);
  const Notation notation{.chunks = true, .fused = "BW"};
  CHECK(order(run, 0, notation) ==
        "F0.0 F1.0 F2.0 F0.1 B0.1 W0.1 F1.1 F3.0+BW1.1 F2.1+BW0.0 BW2.1 F3.1+BW1.0 BW3.1 B2.0 W2.0 B3.0 W3.0");
  CHECK(order(run, 1, notation) ==
        "F0.0 F0.1 F1.0 F1.1 F2.0 BW0.1 F2.1+BW0.0 F3.0+BW1.1 F3.1+BW1.0 BW2.1 BW2.0 B3.1 B3.0 W3.1 W3.0");
}

TEST_CASE("DualPipeV has the bubble of DualPipe with twice its stages") {
  // (2p/2 - 1)(t_F&B + t_BW - 3 t_W), of chunks of half a stage: (p - 1)(1.5 + 1 - 1.5).
  for (const auto& [stages, micro_batches] : {std::pair{2, 4}, {4, 8}, {4, 32}, {8, 16}}) {
    INFO("stages " << stages << " micro-batches " << micro_batches);
    CHECK(dualpipev(stages, micro_batches).makespan() == 3.0 * micro_batches + (stages - 1));
  }
}

TEST_CASE("DualPipeV holds as many chunks as DualPipe on twice its stages") {
  // 2 p chunks after the warm-up and the one of a pair's forward, in whole stages of two chunks.
  const SlotRun run = dualpipev(4, 8);
  for (int r = 0; r < 4; ++r) CHECK(run.in_flight(r) == 4.5);
}

TEST_CASE("DualPipeV needs two micro-batches per stage") {
  const ScheduleRow* row = find_schedule("dualpipev");
  REQUIRE(row != nullptr);
  CHECK(row->problem({.stages = 4, .chunks = 2, .micro_batches = 7}) == "micro_batches 7 are fewer than 2 x pp 4");
  CHECK(row->problem({.stages = 3, .chunks = 2, .micro_batches = 7}) == "");
}
