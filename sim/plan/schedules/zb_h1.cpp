// ZB-H1 (Qi et al., Zero Bubble Pipeline Parallelism, 2023): 1F1B with the backward split. Stage r runs weight
// gradients r micro-batches late, so that they fill the bubble of its cool-down at no more than 1F1B's memory.
#include <algorithm>

#include "sim/plan/schedule.hpp"

namespace trainyard {

std::vector<Slot> zb_h1_slots(const PipelineShape& shape, int stage) {
  const int warm_up = std::min(shape.stages - 1 - stage, shape.micro_batches);
  std::vector<Slot> slots;
  slots.reserve(3 * static_cast<std::size_t>(shape.micro_batches));
  const auto add = [&](SlotKind kind, int i) { slots.push_back({.kind = kind, .micro_batch = i}); };
  for (int i = 0; i < warm_up; ++i) add(SlotKind::forward, i);
  for (int i = 0; i < shape.micro_batches; ++i) {
    if (warm_up + i < shape.micro_batches) add(SlotKind::forward, warm_up + i);
    add(SlotKind::backward_input, i);
    if (i >= stage) add(SlotKind::backward_weight, i - stage);
  }
  for (int i = std::max(shape.micro_batches - stage, 0); i < shape.micro_batches; ++i)
    add(SlotKind::backward_weight, i);
  return slots;
}

}  // namespace trainyard
