// Interleaved 1F1B (Narayanan et al. 2021, Megatron-LM): micro-batches in groups of pp; within a group, chunk by chunk.
#include <algorithm>

#include "sim/program/schedule.hpp"

namespace trainyard {
namespace {

// The k-th virtual micro-batch; the last group may be smaller than pp.
Slot virtual_micro_batch(const PipelineShape& shape, int k, SlotKind kind) {
  const int group_slots = shape.stages * shape.chunks;
  const int group = k / group_slots;
  const int first = group * shape.stages;
  const int size = std::min(shape.stages, shape.micro_batches - first);
  const int inside = k % group_slots;
  const int chunk = inside / size;
  return {kind, static_cast<std::int16_t>(kind == SlotKind::forward ? chunk : shape.chunks - 1 - chunk),
          first + inside % size};
}

}  // namespace

std::vector<Slot> interleaved_slots(const PipelineShape& shape, int stage) {
  const int total = shape.micro_batches * shape.chunks;
  const int warm_up = std::min(2 * (shape.stages - stage - 1) + (shape.chunks - 1) * shape.stages, total);
  std::vector<Slot> slots;
  slots.reserve(2 * static_cast<std::size_t>(total));
  for (int k = 0; k < warm_up; ++k) slots.push_back(virtual_micro_batch(shape, k, SlotKind::forward));
  for (int k = 0; k + warm_up < total; ++k) {
    slots.push_back(virtual_micro_batch(shape, k + warm_up, SlotKind::forward));
    slots.push_back(virtual_micro_batch(shape, k, SlotKind::backward));
  }
  for (int k = total - warm_up; k < total; ++k) slots.push_back(virtual_micro_batch(shape, k, SlotKind::backward));
  return slots;
}

}  // namespace trainyard
