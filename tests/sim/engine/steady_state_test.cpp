// The cycles of a schedule's steady state, as they are found in a program.
#include "sim/engine/steady_state.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/support/built_step.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

StepProgram program_of(const char* schedule, int pp, int vpp, int micro_batches) {
  BuiltStep step = built_step("llama3-8b", 1, 1, pp);
  step.plan.schedule = schedule;
  step.plan.virtual_stages = vpp;
  step.plan.layers_per_chunk.assign(static_cast<std::size_t>(pp * vpp), 32 / (pp * vpp));
  step.plan.global_batch_size = micro_batches;
  return step.build();
}

// Compute passes of one kind among the later instructions of its pairs: "F5 B2 F6 B3".
std::string later_passes(const StepProgram& program, const std::vector<SteadyPair>& pairs, std::size_t kind) {
  std::string text;
  for (const SteadyPair& pair : pairs) {
    const Instruction& i = program.kinds[pair.kind].instructions[pair.later];
    if (pair.kind != kind || i.stream != Stream::compute) continue;
    text += text.empty() ? "" : " ";
    text += i.phase == Phase::forward ? "F" : i.phase == Phase::backward ? "B" : "W";
    text += std::to_string(i.micro_batch);
  }
  return text;
}

}  // namespace

TEST_CASE("the steady state of 1F1B is one backward and one forward of every stage") {
  const StepProgram program = program_of("1f1b", 2, 1, 8);
  const std::vector<SteadyPair> pairs = steady_pairs(program, 1);
  REQUIRE_FALSE(pairs.empty());
  // Stage 0 runs F0 F1 B0 F2 B1 F3 B2 F4 B3 F5 B4 F6 B5 F7 B6 B7: a cycle is B(k) F(k+2). Stage 1 runs F0 B0 F1 B1 …: a
  // cycle is B(k) F(k+1). B6 has no forward behind it on stage 0, so that cycle 5 is the last; three are compared.
  CHECK(later_passes(program, pairs, 0) == "B3 F5 B4 F6 B5 F7");
  CHECK(later_passes(program, pairs, 1) == "B3 F4 B4 F5 B5 F6");
}

TEST_CASE("both of a steady pair do the same work a group of micro-batches apart") {
  const auto [schedule, vpp, micro_batches, group] = GENERATE(table<const char*, int, int, int>(
      {{"1f1b", 1, 16, 1}, {"zb-h1", 1, 24, 1}, {"zb-h2", 1, 32, 1}, {"interleaved", 2, 32, 4}}));
  const StepProgram program = program_of(schedule, 4, vpp, micro_batches);
  const std::vector<SteadyPair> pairs = steady_pairs(program, group);
  INFO(schedule);
  REQUIRE_FALSE(pairs.empty());
  std::vector<int> of_kind(program.kinds.size());
  for (const SteadyPair& pair : pairs) {
    const Instruction& earlier = program.kinds[pair.kind].instructions[pair.earlier];
    const Instruction& later = program.kinds[pair.kind].instructions[pair.later];
    ++of_kind[pair.kind];
    CHECK(earlier.work == later.work);
    CHECK(earlier.chunk == later.chunk);
    CHECK(earlier.stream == later.stream);
    if (later.micro_batch >= 0) CHECK(later.micro_batch == earlier.micro_batch + group);
  }
  CHECK(std::all_of(of_kind.begin(), of_kind.end(), [](int pairs_of_kind) { return pairs_of_kind > 0; }));
}

TEST_CASE("a steady state needs as many cycles as are compared, and the one before them") {
  // Cycle k of stage 0 is B(k) F(k+2), up to k = m-3. The first differs: its backward is received ahead of both warm-up
  // forwards. Cycles 1 … 1 + compared_cycles must be alike.
  const int least = (1 + compared_cycles) + 3;
  CHECK(steady_pairs(program_of("1f1b", 2, 1, least - 1), 1).empty());
  CHECK_FALSE(steady_pairs(program_of("1f1b", 2, 1, least), 1).empty());
}

TEST_CASE("schedules that do all forwards first have no steady state") {
  CHECK(steady_pairs(program_of("gpipe", 4, 1, 64), 1).empty());
  CHECK(steady_pairs(program_of("breadth-first", 4, 2, 64), 4).empty());
  CHECK(steady_pairs(program_of("breadth-first", 4, 2, 64), 64).empty());
}

TEST_CASE("a cycle of another length than the schedule's is no steady state") {
  CHECK(steady_pairs(program_of("interleaved", 4, 2, 64), 3).empty());
  CHECK(steady_pairs(program_of("interleaved", 4, 2, 64), 1).empty());
}
