#include "sim/program/schedule.hpp"

#include <array>

namespace trainyard {
namespace {

constexpr std::array rows = {
    ScheduleRow{ScheduleKind::gpipe, "gpipe", "all forwards, then all backwards", gpipe_slots},
    ScheduleRow{ScheduleKind::one_f_one_b, "1f1b", "one forward, one backward; at most pp micro-batches in flight",
                one_f_one_b_slots},
    ScheduleRow{ScheduleKind::interleaved, "interleaved", "1F1B over vpp model chunks per stage; bubble / vpp",
                interleaved_slots},
};

}  // namespace

std::span<const ScheduleRow> schedules() { return rows; }

const ScheduleRow* find_schedule(ScheduleKind kind) {
  for (const ScheduleRow& row : rows)
    if (row.kind == kind) return &row;
  return nullptr;
}

}  // namespace trainyard
