// Breadth-first looped pipeline (Lamy-Poirier 2023): every micro-batch forward through a chunk before the next chunk,
// and backward likewise from the last chunk. A sharded chunk is gathered once per pass, and its gradients are complete
// after its last backward.
#include "sim/plan/schedule.hpp"

namespace trainyard {

std::vector<Slot> breadth_first_slots(const PipelineShape& shape, int /*stage*/) {
  std::vector<Slot> slots;
  slots.reserve(2 * static_cast<std::size_t>(shape.micro_batches) * static_cast<std::size_t>(shape.chunks));
  const auto pass = [&](SlotKind kind, int chunk) {
    for (int i = 0; i < shape.micro_batches; ++i)
      slots.push_back({.kind = kind, .chunk = static_cast<std::int16_t>(chunk), .micro_batch = i});
  };
  for (int c = 0; c < shape.chunks; ++c) pass(SlotKind::forward, c);
  for (int c = shape.chunks - 1; c >= 0; --c) pass(SlotKind::backward, c);
  return slots;
}

}  // namespace trainyard
