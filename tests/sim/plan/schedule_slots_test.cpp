// Schedules against tables worked by hand: p stages, m micro-batches, v virtual stages, a pass of each kind through a
// whole stage in one unit of time, messages in none. Ideal compute of a stage: m (t_F + t_B + t_W) = 3 m.
#include <catch2/catch.hpp>
#include <limits>

#include "sim/plan/schedule.hpp"
#include "tests/support/slot_simulator.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

double makespan(std::string_view schedule, int stages, int chunks, int micro_batches, double hop = 0.0) {
  return run_slots(schedule, {.stages = stages, .chunks = chunks, .micro_batches = micro_batches}, {.hop = hop})
      .makespan();
}

std::vector<double> in_flight(const SlotRun& run, double until_weight = 0.0) {
  std::vector<double> peaks;
  for (int r = 0; r < run.shape.stages; ++r) peaks.push_back(run.in_flight(r, until_weight));
  return peaks;
}

bool nobody_idles(const SlotRun& run) {
  for (int r = 0; r < run.shape.stages; ++r)
    if (run.idle(r) != 0.0) return false;
  return true;
}

// Forwards before the first backward; the steady state opens with one of them.
int warm_up(const PipelineShape& shape, int stage) {
  const std::vector<Slot> slots = find_schedule("interleaved")->slots(shape, stage);
  int forwards = 0;
  while (slots[static_cast<std::size_t>(forwards)].kind == SlotKind::forward) ++forwards;
  return forwards - 1;
}

constexpr PipelineShape four_by_eight{.stages = 4, .micro_batches = 8};
constexpr PipelineShape four_by_eight_two_chunks{.stages = 4, .chunks = 2, .micro_batches = 8};
using Peaks = std::vector<double>;

}  // namespace

TEST_CASE("GPipe runs every forward before any backward") {
  const SlotRun run = run_slots("gpipe", four_by_eight);
  for (int r = 0; r < 4; ++r) CHECK(order(run, r) == "F0 F1 F2 F3 F4 F5 F6 F7 B0 B1 B2 B3 B4 B5 B6 B7");
  CHECK(run.makespan() == 33.0);  // 24 + 3 (p - 1)
  CHECK(in_flight(run) == Peaks{8, 8, 8, 8});
}

TEST_CASE("1F1B starts every pass when its table says") {
  const SlotRun run = run_slots("1f1b", four_by_eight);
  CHECK(start_times(run, 0) ==
        "F0@0 F1@1 F2@2 F3@3 B0@10 F4@12 B1@13 F5@15 B2@16 F6@18 B3@19 F7@21 B4@22 B5@25 B6@28 B7@31");
  CHECK(start_times(run, 1) ==
        "F0@1 F1@2 F2@3 B0@8 F3@10 B1@11 F4@13 B2@14 F5@16 B3@17 F6@19 B4@20 F7@22 B5@23 B6@26 B7@29");
  CHECK(start_times(run, 2) ==
        "F0@2 F1@3 B0@6 F2@8 B1@9 F3@11 B2@12 F4@14 B3@15 F5@17 B4@18 F6@20 B5@21 F7@23 B6@24 B7@27");
  CHECK(start_times(run, 3) ==
        "F0@3 B0@4 F1@6 B1@7 F2@9 B2@10 F3@12 B3@13 F4@15 B4@16 F5@18 B5@19 F6@21 B6@22 F7@24 B7@25");
  CHECK(run.makespan() == 33.0);
  CHECK(in_flight(run) == Peaks{4, 3, 2, 1});
}

TEST_CASE("1F1B with fewer micro-batches than stages is GPipe") {
  const SlotRun run = run_slots("1f1b", {.stages = 4, .micro_batches = 2});
  CHECK(order(run, 0) == "F0 F1 B0 B1");
}

TEST_CASE("a hop delays each schedule by the messages on its critical path") {
  for (double x : {0.1, 0.25, 0.5}) CHECK(makespan("1f1b", 4, 1, 8, x) == Approx(33.0 + 16 * x));
  // As long as a hop takes no longer than a chunk's forward, 1/v.
  for (double x : {0.1, 0.25}) {
    CHECK(makespan("interleaved", 4, 2, 8, x) == Approx(28.5 + 14 * x));
    CHECK(makespan("interleaved", 4, 4, 8, x) == Approx(26.25 + 30 * x));
  }
}

TEST_CASE("interleaved 1F1B walks the chunks group by group") {
  const SlotRun run = run_slots("interleaved", four_by_eight_two_chunks);
  CHECK(order(run, 0, {.chunks = true}) ==
        "F0.0 F1.0 F2.0 F3.0 F0.1 F1.1 F2.1 F3.1 F4.0 F5.0 F6.0 B0.1 F7.0 B1.1 F4.1 B2.1 F5.1 B3.1 F6.1 B0.0 F7.1 B1.0 "
        "B2.0 B3.0 B4.1 B5.1 B6.1 B7.1 B4.0 B5.0 B6.0 B7.0");
  CHECK(order(run, 1, {.chunks = true}) ==
        "F0.0 F1.0 F2.0 F3.0 F0.1 F1.1 F2.1 F3.1 F4.0 B0.1 F5.0 B1.1 F6.0 B2.1 F7.0 B3.1 F4.1 B0.0 F5.1 B1.0 F6.1 B2.0 "
        "F7.1 B3.0 B4.1 B5.1 B6.1 B7.1 B4.0 B5.0 B6.0 B7.0");
  CHECK(order(run, 2, {.chunks = true}) ==
        "F0.0 F1.0 F2.0 F3.0 F0.1 F1.1 F2.1 B0.1 F3.1 B1.1 F4.0 B2.1 F5.0 B3.1 F6.0 B0.0 F7.0 B1.0 F4.1 B2.0 F5.1 B3.0 "
        "F6.1 B4.1 F7.1 B5.1 B6.1 B7.1 B4.0 B5.0 B6.0 B7.0");
  CHECK(order(run, 3, {.chunks = true}) ==
        "F0.0 F1.0 F2.0 F3.0 F0.1 B0.1 F1.1 B1.1 F2.1 B2.1 F3.1 B3.1 F4.0 B0.0 F5.0 B1.0 F6.0 B2.0 F7.0 B3.0 F4.1 B4.1 "
        "F5.1 B5.1 F6.1 B6.1 F7.1 B7.1 B4.0 B5.0 B6.0 B7.0");
  CHECK(run.makespan() == 28.5);  // 24 + 9 / v
  CHECK(in_flight(run) == Peaks{5.5, 4.5, 3.5, 2.5});
  const SlotRun four_chunks = run_slots("interleaved", {.stages = 4, .chunks = 4, .micro_batches = 8});
  CHECK(four_chunks.makespan() == 26.25);
  CHECK(in_flight(four_chunks) == Peaks{4.75, 4.25, 3.75, 3.25});
}

TEST_CASE("interleaved warm-up counts are those of Megatron-LM") {
  // w = min(2 (p - r - 1) + (v - 1) group, m v)
  for (int r = 0; r < 4; ++r) CHECK(warm_up({.stages = 4, .chunks = 2, .micro_batches = 8}, r) == 10 - 2 * r);
  for (int r = 0; r < 8; ++r) CHECK(warm_up({.stages = 8, .chunks = 2, .micro_batches = 32}, r) == 22 - 2 * r);
  for (int r = 0; r < 16; ++r) CHECK(warm_up({.stages = 16, .chunks = 4, .micro_batches = 64}, r) == 78 - 2 * r);
  CHECK(warm_up({.stages = 4, .chunks = 2, .micro_batches = 12, .group = 6}, 0) == 2 * 3 + 6);
  CHECK(warm_up({.stages = 4, .chunks = 2, .micro_batches = 8, .pairs = true}, 3) == 4 + 1);
}

TEST_CASE("larger groups of an interleaved schedule may leave a smaller last one") {
  // Megatron-LM's table for PP 2, groups of 3, 5 micro-batches, 2 chunks.
  const SlotRun run = run_slots("interleaved", {.stages = 2, .chunks = 2, .micro_batches = 5, .group = 3});
  std::string forwards;
  for (const Slot& slot : run.slots[1])
    if (slot.kind == SlotKind::forward)
      forwards += std::to_string(slot.micro_batch) + "." + std::to_string(slot.chunk) + " ";
  CHECK(forwards == "0.0 1.0 2.0 0.1 1.1 2.1 3.0 4.0 3.1 4.1 ");
}

TEST_CASE("a group larger than the batch is the whole batch") {
  const PipelineShape whole{.stages = 4, .chunks = 5, .micro_batches = 64, .group = 64 * 5};
  PipelineShape absurd = whole;
  absurd.group = std::numeric_limits<int>::max();
  const ScheduleRow& row = *find_schedule("interleaved");
  CHECK(row.problem(absurd).empty());
  for (int stage = 0; stage < 4; ++stage) CHECK(row.slots(absurd, stage) == row.slots(whole, stage));
}

TEST_CASE("breadth-first loops have the interleaved bubble at the memory of GPipe") {
  const SlotRun run = run_slots("breadth-first", four_by_eight_two_chunks);
  CHECK(order(run, 2, {.chunks = true}) ==
        "F0.0 F1.0 F2.0 F3.0 F4.0 F5.0 F6.0 F7.0 F0.1 F1.1 F2.1 F3.1 F4.1 F5.1 F6.1 F7.1 "
        "B0.1 B1.1 B2.1 B3.1 B4.1 B5.1 B6.1 B7.1 B0.0 B1.0 B2.0 B3.0 B4.0 B5.0 B6.0 B7.0");
  CHECK(run.makespan() == 28.5);
  CHECK(in_flight(run) == Peaks{8, 8, 8, 8});
  CHECK(makespan("breadth-first", 4, 4, 8) == 26.25);
}

TEST_CASE("ZB-H1 starts every pass when its table says") {
  const SlotRun run = run_slots("zb-h1", four_by_eight);
  CHECK(start_times(run, 0) ==
        "F0@0 F1@1 F2@2 F3@3 B0@7 W0@8 F4@9 B1@10 W1@11 F5@12 B2@13 W2@14 F6@15 B3@16 W3@17 F7@18 B4@19 W4@20 B5@21 "
        "W5@22 B6@23 W6@24 B7@25 W7@26");
  CHECK(start_times(run, 3) ==
        "F0@3 B0@4 F1@5 B1@6 F2@7 B2@8 F3@9 B3@10 W0@11 F4@12 B4@13 W1@14 F5@15 B5@16 W2@17 F6@18 B6@19 W3@20 F7@21 "
        "B7@22 W4@23 W5@24 W6@25 W7@26");
  CHECK(run.makespan() == 27.0);  // 24 + (p - 1)
  CHECK(in_flight(run) == Peaks{4, 3, 2, 1});
  CHECK(in_flight(run, 0.5) == Peaks{4, 3.5, 3, 2.5});
}

TEST_CASE("ZB-H1 leaves a bubble of p - 1 times F + B - W") {
  // A 22-billion-parameter layer in ms: attention has no weight gradients, so t_W is the shortest.
  const SlotRun run =
      run_slots("zb-h1", four_by_eight, {.forward = 7.2, .backward_input = 7.3, .backward_weight = 4.3});
  CHECK(run.makespan() == Approx(8 * (7.2 + 7.3 + 4.3) + 3 * (7.2 + 7.3 - 4.3)));
}

TEST_CASE("ZB-H2 starts every pass when its table says and no stage idles") {
  const SlotRun run = run_slots("zb-h2", four_by_eight);
  CHECK(start_times(run, 0) ==
        "F0@0 F1@1 F2@2 F3@3 F4@4 F5@5 F6@6 B0@7 W0@8 B1@9 F7@10 B2@11 W1@12 B3@13 W2@14 B4@15 W3@16 B5@17 W4@18 B6@19 "
        "W5@20 W6@21 B7@22 W7@23");
  CHECK(start_times(run, 3) ==
        "F0@3 B0@4 F1@5 B1@6 F2@7 B2@8 F3@9 B3@10 F4@11 B4@12 F5@13 B5@14 F6@15 B6@16 W0@17 F7@18 B7@19 W1@20 W2@21 "
        "W3@22 W4@23 W5@24 W6@25 W7@26");
  for (int r = 0; r < 4; ++r) {
    CHECK(run.first_start(r) == r);
    CHECK(run.last_end(r) == 24.0 + r);
    CHECK(run.idle(r) == 0.0);
  }
  CHECK(in_flight(run) == Peaks{7, 5, 3, 1});
  CHECK(in_flight(run, 1.0) == Peaks{7, 7, 7, 7});
}

TEST_CASE("ZB-V fills every stage from its first pass to its last") {
  // 3 m + (p - 1) / 2: stages start half a unit after each other.
  for (const auto& [stages, micro_batches] : {std::pair{4, 8}, {4, 12}, {8, 16}, {8, 24}}) {
    INFO("stages " << stages << " micro-batches " << micro_batches);
    const SlotRun run = run_slots("zb-v", {.stages = stages, .chunks = 2, .micro_batches = micro_batches});
    CHECK(run.makespan() == 3.0 * micro_batches + 0.5 * (stages - 1));
    CHECK(nobody_idles(run));
    CHECK(in_flight(run) == Peaks(static_cast<std::size_t>(stages), stages));
  }
}

TEST_CASE("ZB-V keeps its makespan in pipelines so deep that stages idle a little") {
  const SlotRun run = run_slots("zb-v", {.stages = 32, .chunks = 2, .micro_batches = 160});
  CHECK(run.makespan() == 3.0 * 160 + 0.5 * 31);
  for (int r = 0; r < 32; ++r) CHECK(run.idle(r) < 0.01 * 3.0 * 160);
}

TEST_CASE("DualPipe runs the order of its table") {
  const SlotRun run = run_slots("dualpipe", four_by_eight_two_chunks);
  const Notation notation{.fused = "BW"};
  CHECK(order(run, 0, notation) == "F0 F1 F2 F4 B4 W4 F5 F3+BW5 F6+BW0 BW6 F7+BW1 BW7 B2 W2 B3 W3");
  CHECK(order(run, 1, notation) == "F0 F4 F1 F5 F2 BW4 F6+BW0 F3+BW5 F7+BW1 BW6 BW2 B7 B3 W7 W3");
  CHECK(order(run, 2, notation) == "F4 F0 F5 F1 F6 BW0 F2+BW4 F7+BW1 F3+BW5 BW2 BW6 B3 B7 W3 W7");
  CHECK(order(run, 3, notation) == "F4 F5 F6 F0 B0 W0 F1 F7+BW1 F2+BW4 BW2 F3+BW5 BW3 B6 W6 B7 W7");
  CHECK(run.makespan() == 26.0);  // 24 + 2 (p/2 - 1)
  CHECK(in_flight(run) == Peaks{5, 5, 5, 5});
}

TEST_CASE("DualPipe's bubble does not grow with the micro-batches") {
  for (int micro_batches : {16, 64}) {
    const SlotRun run = run_slots("dualpipe", {.stages = 8, .chunks = 2, .micro_batches = micro_batches});
    CHECK(run.makespan() == 3.0 * micro_batches + 6.0);
    CHECK(in_flight(run) == Peaks(8, 9));
  }
}

TEST_CASE("bubbles scale with stages and chunks, not with micro-batches") {
  struct Row {
    int stages, micro_batches;
    double one_f_one_b, two_chunks, four_chunks, zb_h1;
  };
  // 3 m + 3 (p - 1), / 2, / 4, and p - 1
  for (const Row& row :
       {Row{2, 4, 15, 13.5, 12.75, 13}, Row{8, 16, 69, 58.5, 53.25, 55}, Row{8, 64, 213, 202.5, 197.25, 199}}) {
    INFO("stages " << row.stages << " micro-batches " << row.micro_batches);
    CHECK(makespan("gpipe", row.stages, 1, row.micro_batches) == row.one_f_one_b);
    CHECK(makespan("1f1b", row.stages, 1, row.micro_batches) == row.one_f_one_b);
    CHECK(makespan("interleaved", row.stages, 2, row.micro_batches) == row.two_chunks);
    CHECK(makespan("interleaved", row.stages, 4, row.micro_batches) == row.four_chunks);
    CHECK(makespan("zb-h1", row.stages, 1, row.micro_batches) == row.zb_h1);
  }
}

TEST_CASE("paired schedules warm up with one more forward and pair every forward of the steady state") {
  const SlotRun one = run_slots("1f1b", {.stages = 2, .micro_batches = 4, .pairs = true});
  CHECK(order(one, 0) == "F0 F1 F2+B0 F3+B1 B2 B3");
  CHECK(order(one, 1) == "F0 F1+B0 F2+B1 F3+B2 B3");
  const SlotRun two = run_slots("interleaved", {.stages = 2, .chunks = 2, .micro_batches = 2, .pairs = true});
  CHECK(order(two, 1, {.chunks = true}) == "F0.0 F1.0 F0.1 F1.1+B0.1 B1.1 B0.0 B1.0");
}
