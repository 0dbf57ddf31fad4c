// DualPipe (DeepSeek-V3 technical report 2024): two copies of the model in opposite directions, half of the
// micro-batches through each, so that the forwards of one hide the communication of the backwards of the other.
#include <fmt/format.h>

#include "sim/plan/schedules/dual_pipe_steps.hpp"

namespace trainyard {

std::string dualpipe_problem(const PipelineShape& shape) {
  if (shape.pairs)
    return "forwards are paired with backwards already; overlap_moe_expert_parallel_comm is for 1f1b and interleaved";
  if (shape.stages % 2 != 0)
    return fmt::format("pp {} is odd, and each half of the stages starts one copy", shape.stages);
  if (shape.micro_batches % 2 != 0)
    return fmt::format("micro_batches {} are odd, and each copy takes half of them", shape.micro_batches);
  if (shape.micro_batches < 2 * shape.stages)
    return fmt::format("micro_batches {} are fewer than 2 x pp {}", shape.micro_batches, shape.stages);
  return {};
}

std::vector<Slot> dualpipe_slots(const PipelineShape& shape, int stage) {
  const int opposite = shape.stages - 1 - stage;
  const int half = shape.micro_batches / 2;
  const DualPipeStage::Lane down{.chunk = 0, .first_micro_batch = 0}, up{.chunk = 1, .first_micro_batch = half};
  const bool first_half = stage < opposite;
  return dual_pipe_slots_of({.depth = shape.stages / 2,
                             .position = first_half ? stage : opposite,
                             .near = first_half ? down : up,
                             .far = first_half ? up : down,
                             .micro_batches = half});
}

}  // namespace trainyard
