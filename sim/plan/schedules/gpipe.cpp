// GPipe (Huang et al. 2019): every micro-batch forward, then every micro-batch backward.
#include "sim/plan/schedule.hpp"

namespace trainyard {

std::vector<Slot> gpipe_slots(const PipelineShape& shape, int /*stage*/) {
  std::vector<Slot> slots;
  slots.reserve(2 * static_cast<std::size_t>(shape.micro_batches));
  for (int i = 0; i < shape.micro_batches; ++i) slots.push_back({.kind = SlotKind::forward, .micro_batch = i});
  for (int i = 0; i < shape.micro_batches; ++i) slots.push_back({.kind = SlotKind::backward, .micro_batch = i});
  return slots;
}

}  // namespace trainyard
