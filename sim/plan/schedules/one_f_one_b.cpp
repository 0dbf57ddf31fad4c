// 1F1B, or PipeDream-flush (Narayanan et al. 2021): pp-1-r forwards, then one forward and one backward in turn.
#include <algorithm>

#include "sim/plan/schedule.hpp"

namespace trainyard {

std::vector<Slot> one_f_one_b_slots(const PipelineShape& shape, int stage) {
  const int warm_up = std::min(shape.stages - 1 - stage + (shape.pairs ? 1 : 0), shape.micro_batches);
  std::vector<Slot> slots;
  slots.reserve(2 * static_cast<std::size_t>(shape.micro_batches));
  const auto backward = [&](int i) { slots.push_back({.kind = SlotKind::backward, .micro_batch = i}); };
  for (int i = 0; i < warm_up; ++i) slots.push_back({.kind = SlotKind::forward, .micro_batch = i});
  for (int i = 0; i + warm_up < shape.micro_batches; ++i) {
    slots.push_back({.kind = SlotKind::forward, .paired = shape.pairs, .micro_batch = warm_up + i});
    backward(i);
  }
  for (int i = shape.micro_batches - warm_up; i < shape.micro_batches; ++i) backward(i);
  return slots;
}

}  // namespace trainyard
