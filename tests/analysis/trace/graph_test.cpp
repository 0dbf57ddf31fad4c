#include <catch2/catch.hpp>
#include <string>

#include "analysis/trace/slice_words.hpp"
#include "analysis/trace/step_graph.hpp"
#include "tests/support/drawn_plans.hpp"
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

// From 0 to the makespan without a gap: whoever starts, starts when something on the path ends.
void expect_unbroken(const SimulatedStep& step) {
  const std::vector<InstructionAt> path = StepGraph(step).critical_path();
  REQUIRE(!path.empty());
  CHECK(span_of(step, path.front()).start == Seconds(0));
  CHECK(span_of(step, path.back()).end == step.timeline.makespan);
  for (std::size_t i = 1; i < path.size(); ++i) REQUIRE(span_of(step, path[i]).start == span_of(step, path[i - 1]).end);
}

TEST_CASE("the critical path of drawn plans is unbroken") {
  for (const char* scenario : {"llama3-70b-64xh100", "mixtral-8x7b-64xh100"}) {
    const Job base = load_job(std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/" + scenario + ".yaml");
    const Routes routes(base.cluster);
    for (const Plan& plan : testing::drawn_plans(base, 12, 7)) {
      Job job = base;
      job.plan = plan;
      INFO(scenario << " " << plan.schedule << " pp " << plan.pipeline_parallel);
      expect_unbroken(simulate_step(job, routes));
    }
  }
}

TEST_CASE("the critical path goes through every rank that others wait for, in either engine") {
  const Job job = load_job(std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/llama3-70b-64xh100.yaml",
                           {{"stragglers.gpus", "[{gpu: 13, speed: 0.8}]"}});
  const Routes routes(job.cluster);
  for (const EngineKind kind : {EngineKind::analytic, EngineKind::fluid})
    expect_unbroken(simulate_step(job, routes, Granularity::layer, {.kind = kind, .every_rank = true}));
}

}  // namespace
}  // namespace trainyard
