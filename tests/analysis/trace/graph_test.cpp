#include <catch2/catch.hpp>
#include <string>

#include "analysis/trace/slice_words.hpp"
#include "analysis/trace/step_graph.hpp"
#include "tests/support/hand_built_step.hpp"

namespace trainyard {
namespace {

const Span& span_of(const SimulatedStep& step, InstructionAt at) {
  return step.timeline.spans[static_cast<std::size_t>(at.list)][static_cast<std::size_t>(at.instruction)];
}

std::string name_of(const SimulatedStep& step, InstructionAt at) {
  const Instruction& i = step.program.kinds[kind_of_list(step.timeline, static_cast<std::size_t>(at.list))]
                             .instructions[static_cast<std::size_t>(at.instruction)];
  return slice_name(step.program, i, false) + "@" + std::to_string(at.list);
}

TEST_CASE("the critical path of two stages and two micro-batches is the one drawn by hand") {
  const SimulatedStep step = testing::connected_step();
  std::string path;
  for (const InstructionAt at : StepGraph(step).critical_path()) path += name_of(step, at) + " ";
  // In ms: F0 of stage 0 until 1, its message until 1.5, stage 1's F0, F1 and B0 until 5.5, the message back until 6,
  // stage 0's B0 and B1 until 9 (B1 has received its message at 7.5, just when B0 ends), the gradients until 10.
  CHECK(path == "F0@0 receive F0@1 F0@1 F1@1 B0@1 receive B0@0 B0@0 B1@0 all-reduce gradients@0 ");
}

TEST_CASE("the other end of the other end is the message itself") {
  const SimulatedStep step = testing::connected_step();
  const StepGraph graph(step);
  int messages = 0;
  for (std::int32_t list = 0; list < 2; ++list)
    for (std::int32_t i = 0; i < 9; ++i) {
      const std::optional<InstructionAt> other = graph.other_end({list, i});
      if (!other) continue;
      ++messages;
      CHECK(graph.other_end(*other) == InstructionAt{list, i});
      CHECK(span_of(step, *other) == span_of(step, {list, i}));
    }
  CHECK(messages == 8);  // 2 forwards and 2 backwards, two ends each
}

}  // namespace
}  // namespace trainyard
