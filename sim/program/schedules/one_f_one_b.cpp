// 1F1B, or PipeDream-flush (Narayanan et al. 2021): pp-1-r forwards, then one forward and one backward in turn.
#include <algorithm>

#include "sim/program/schedule.hpp"

namespace trainyard {

std::vector<Slot> one_f_one_b_slots(const PipelineShape& shape, int stage) {
  const int warm_up = std::min(shape.stages - 1 - stage, shape.micro_batches);
  std::vector<Slot> slots;
  slots.reserve(2 * static_cast<std::size_t>(shape.micro_batches));
  for (int i = 0; i < warm_up; ++i) slots.push_back({SlotKind::forward, 0, i});
  for (int i = 0; i + warm_up < shape.micro_batches; ++i) {
    slots.push_back({SlotKind::forward, 0, warm_up + i});
    slots.push_back({SlotKind::backward, 0, i});
  }
  for (int i = shape.micro_batches - warm_up; i < shape.micro_batches; ++i) slots.push_back({SlotKind::backward, 0, i});
  return slots;
}

}  // namespace trainyard
