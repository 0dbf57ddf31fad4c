#include "sim/plan/schedule.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/support/unit_pipeline.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

std::string order(const UnitPipeline& u, std::size_t stage) { return compute_order(program_of(u), stage); }

int warm_up(int stages, int chunks, int micro_batches, int stage) {
  const std::vector<Slot> slots = find_schedule("interleaved")->slots({stages, chunks, micro_batches, 0, false}, stage);
  int count = 0;
  while (slots[static_cast<std::size_t>(count)].kind == SlotKind::forward) ++count;
  return count - 1;  // the steady state opens with a forward
}

}  // namespace

TEST_CASE("GPipe runs every forward before any backward") {
  CHECK(order({.stages = 2, .micro_batches = 3, .schedule = "gpipe"}, 0) == "F0 F1 F2 B0 B1 B2");
}

TEST_CASE("1F1B warms up with as many forwards as stages follow") {
  const UnitPipeline u{.stages = 4, .micro_batches = 8};
  CHECK(order(u, 0) == "F0 F1 F2 F3 B0 F4 B1 F5 B2 F6 B3 F7 B4 B5 B6 B7");
  CHECK(order(u, 3) == "F0 B0 F1 B1 F2 B2 F3 B3 F4 B4 F5 B5 F6 B6 F7 B7");
}

TEST_CASE("1F1B with fewer micro-batches than stages is GPipe") {
  CHECK(order({.stages = 4, .micro_batches = 2}, 0) == "F0 F1 B0 B1");
}

TEST_CASE("interleaved 1F1B walks the chunks group by group") {
  // Megatron's order for p = 4, v = 2, m = 8 (micro-batch.chunk).
  const UnitPipeline u{.stages = 4, .micro_batches = 8, .chunks = 2, .schedule = "interleaved"};
  CHECK(order(u, 0) ==
        "F0.0 F1.0 F2.0 F3.0 F0.1 F1.1 F2.1 F3.1 F4.0 F5.0 F6.0 B0.1 F7.0 B1.1 F4.1 B2.1 F5.1 B3.1 F6.1 B0.0 F7.1 B1.0 "
        "B2.0 "
        "B3.0 B4.1 B5.1 B6.1 B7.1 B4.0 B5.0 B6.0 B7.0");
  CHECK(order(u, 1) ==
        "F0.0 F1.0 F2.0 F3.0 F0.1 F1.1 F2.1 F3.1 F4.0 B0.1 F5.0 B1.1 F6.0 B2.1 F7.0 B3.1 F4.1 B0.0 F5.1 B1.0 F6.1 B2.0 "
        "F7.1 "
        "B3.0 B4.1 B5.1 B6.1 B7.1 B4.0 B5.0 B6.0 B7.0");
  CHECK(order(u, 2) ==
        "F0.0 F1.0 F2.0 F3.0 F0.1 F1.1 F2.1 B0.1 F3.1 B1.1 F4.0 B2.1 F5.0 B3.1 F6.0 B0.0 F7.0 B1.0 F4.1 B2.0 F5.1 B3.0 "
        "F6.1 "
        "B4.1 F7.1 B5.1 B6.1 B7.1 B4.0 B5.0 B6.0 B7.0");
  CHECK(order(u, 3) ==
        "F0.0 F1.0 F2.0 F3.0 F0.1 B0.1 F1.1 B1.1 F2.1 B2.1 F3.1 B3.1 F4.0 B0.0 F5.0 B1.0 F6.0 B2.0 F7.0 B3.0 F4.1 B4.1 "
        "F5.1 "
        "B5.1 F6.1 B6.1 F7.1 B7.1 B4.0 B5.0 B6.0 B7.0");
}

TEST_CASE("interleaved warm-up counts are Megatron's") {
  // w = min(2 (p - r - 1) + (v - 1) p, m v)
  const std::vector<int> four = {10, 8, 6, 4};
  for (int r = 0; r < 4; ++r) CHECK(warm_up(4, 2, 8, r) == four[static_cast<std::size_t>(r)]);
  const std::vector<int> eight = {22, 20, 18, 16, 14, 12, 10, 8};
  for (int r = 0; r < 8; ++r) CHECK(warm_up(8, 2, 32, r) == eight[static_cast<std::size_t>(r)]);
  for (int r = 0; r < 16; ++r) CHECK(warm_up(16, 4, 64, r) == 78 - 2 * r);
}

TEST_CASE("the program of every schedule is sound and runs each pass of each chunk once") {
  for (const ScheduleRow& row : schedules())
    for (int stages : {1, 2, 3, 4, 8})
      for (int groups : {1, 2, 5}) {
        const int chunks = row.virtual_stages > 0 ? row.virtual_stages : 3;
        const int held = row.chunks(chunks);
        UnitPipeline u{.stages = stages, .micro_batches = groups * stages, .chunks = chunks};
        u.schedule = row.name;
        if (!row.problem({stages, held, u.micro_batches, 0, false}).empty() || (chunks > 1 && stages == 1)) continue;
        const StepProgram program = program_of(u);
        INFO(row.name << " stages " << stages << " chunks " << chunks << " micro-batches " << u.micro_batches);
        CHECK(violations(program).empty());
        CHECK(makespan(u) > 0);  // it finishes
        for (const RankKind& kind : program.kinds) {
          int forwards = static_cast<int>(kind.pairs.size()), inputs = 0;
          for (const Instruction& i : kind.instructions) {
            if (i.stream != Stream::compute || i.micro_batch < 0) continue;
            forwards += i.phase == Phase::forward ? 1 : 0;
            inputs += i.phase == Phase::backward ? 1 : 0;
          }
          CHECK(forwards == chunks * u.micro_batches);
          CHECK(inputs == chunks * u.micro_batches);
        }
      }
}
