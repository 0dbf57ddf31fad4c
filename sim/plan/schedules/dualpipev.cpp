// DualPipeV ("cut in half", Sea AI Lab and DeepSeek-AI 2025): DualPipe's steps on one copy of the model. Each stage
// holds two chunks in a V, and what came back from the last stage is the other direction.
#include <fmt/format.h>

#include "sim/plan/schedules/dual_pipe_steps.hpp"

namespace trainyard {

std::string dualpipev_problem(const PipelineShape& shape) {
  if (shape.pairs)
    return "forwards are paired with backwards already; overlap_moe_expert_parallel_comm is for 1f1b and interleaved";
  if (shape.micro_batches < 2 * shape.stages)
    return fmt::format("micro_batches {} are fewer than 2 x pp {}", shape.micro_batches, shape.stages);
  return {};
}

std::vector<Slot> dualpipev_slots(const PipelineShape& shape, int stage) {
  return dual_pipe_slots_of({.depth = shape.stages,
                             .position = stage,
                             .near = {.chunk = 0},
                             .far = {.chunk = 1},
                             .micro_batches = shape.micro_batches});
}

}  // namespace trainyard
