// Interleaved 1F1B (Narayanan et al. 2021, Megatron-LM): micro-batches in groups, pp of them unless told otherwise;
// within a group, chunk by chunk.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "sim/plan/schedule.hpp"

namespace trainyard {
namespace {

// 64 bits: users may write groups far larger than the batch.
std::int64_t group_of(const PipelineShape& shape) { return shape.group > 0 ? shape.group : shape.stages; }

// The k-th virtual micro-batch; the last group may be smaller than the others.
Slot virtual_micro_batch(const PipelineShape& shape, int k, SlotKind kind) {
  const std::int64_t group_size = group_of(shape);
  const std::int64_t group = k / (group_size * shape.chunks);
  const std::int64_t first = group * group_size;
  const std::int64_t size = std::min(group_size, shape.micro_batches - first);
  const std::int64_t inside = k % (group_size * shape.chunks);
  const std::int64_t chunk = inside / size;
  return {.kind = kind,
          .chunk = static_cast<std::int16_t>(kind == SlotKind::forward ? chunk : shape.chunks - 1 - chunk),
          .micro_batch = static_cast<std::int32_t>(first + inside % size)};
}

int warm_up_forwards(const PipelineShape& shape, int stage) {
  const std::int64_t first_backward = 2 * (shape.stages - stage - 1) + (shape.chunks - 1) * group_of(shape);
  const std::int64_t all = std::int64_t{shape.micro_batches} * shape.chunks;
  return static_cast<int>(std::min(first_backward + (shape.pairs ? 1 : 0), all));
}

}  // namespace

// The first chunk's outputs must have come around the ring before the group's next chunk starts: no group below pp.
std::string interleaved_problem(const PipelineShape& shape) {
  const std::int64_t group = group_of(shape);
  if (group < shape.stages)
    return fmt::format("groups of {} micro-batches are smaller than pp {}", group, shape.stages);
  const std::int64_t rest = shape.micro_batches % group;
  if (rest == 0 || rest >= shape.stages) return {};
  if (group == shape.stages)
    return fmt::format("micro_batches {} are not divisible by pp {}", shape.micro_batches, shape.stages);
  return fmt::format("micro_batches {} in groups of {} leave a last group of {}, smaller than pp {}",
                     shape.micro_batches, group, rest, shape.stages);
}

std::vector<Slot> interleaved_slots(const PipelineShape& shape, int stage) {
  const int total = shape.micro_batches * shape.chunks;
  const int warm_up = warm_up_forwards(shape, stage);
  std::vector<Slot> slots;
  slots.reserve(2 * static_cast<std::size_t>(total));
  for (int k = 0; k < warm_up; ++k) slots.push_back(virtual_micro_batch(shape, k, SlotKind::forward));
  for (int k = 0; k + warm_up < total; ++k) {
    slots.push_back(virtual_micro_batch(shape, k + warm_up, SlotKind::forward));
    slots.back().paired = shape.pairs;
    slots.push_back(virtual_micro_batch(shape, k, SlotKind::backward));
  }
  for (int k = total - warm_up; k < total; ++k) slots.push_back(virtual_micro_batch(shape, k, SlotKind::backward));
  return slots;
}

}  // namespace trainyard
