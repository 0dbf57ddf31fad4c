// In which order a pipeline stage runs its forwards and backwards. A schedule is one row {name, summary, builder}.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "sim/plan/plan.hpp"

namespace trainyard {

enum class SlotKind : std::uint8_t {
  forward,
  backward,
  weight
};  // backward is fused (input and weight gradients)
    // unless the schedule also emits weight slots
struct Slot {
  SlotKind kind = SlotKind::forward;
  std::int16_t chunk = 0;
  std::int32_t micro_batch = 0;
  friend bool operator==(const Slot&, const Slot&) = default;
};

struct PipelineShape {
  int stages = 1;
  int chunks = 1;  // virtual stages per stage
  int micro_batches = 1;
};

// Where a stage's model chunk sits: chunk c of stage r is model stage c * stages + r.
struct ScheduleRow {
  ScheduleKind kind;
  std::string_view name;
  std::string_view summary;
  std::vector<Slot> (*slots)(const PipelineShape& shape, int stage);
};

std::span<const ScheduleRow> schedules();
// nullptr if that schedule has no builder.
const ScheduleRow* find_schedule(ScheduleKind kind);

// One builder per file of schedules/.
std::vector<Slot> gpipe_slots(const PipelineShape& shape, int stage);
std::vector<Slot> one_f_one_b_slots(const PipelineShape& shape, int stage);
std::vector<Slot> interleaved_slots(const PipelineShape& shape, int stage);

}  // namespace trainyard
