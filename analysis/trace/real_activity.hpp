// What one GPU did during a step, from the intervals in which its kernels ran: the one definition by which a measured
// and a simulated timeline are compared.
//
//   compute            time in which at least one compute kernel runs
//   exposed collective time in which collectives run and no compute does, split evenly among those that run together
//   exposed copies     time in which copies run and neither compute nor a collective does
//   idle               the rest; the four sum to the step
//   busy               of a kind of work, the sum of its kernels' durations, hidden or not
//
// A kernel that reaches over the end of a step counts in both steps, as far as it lies in each; a call counts where it
// starts.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "analysis/trace/real_work.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

struct GpuInterval {
  std::int64_t start = 0, end = 0;  // ns
  WorkCode code = 0;
  friend bool operator==(const GpuInterval&, const GpuInterval&) = default;
};
struct StepWindow {
  std::int64_t start = 0, end = 0;  // ns
  friend bool operator==(const StepWindow&, const StepWindow&) = default;
};

struct WorkTime {
  Seconds busy{};
  Seconds exposed{};  // of collectives
  double calls = 0;
};
struct GpuActivity {
  Seconds step{};
  Seconds compute{};
  Seconds exposed_collectives{};
  Seconds exposed_copies{};
  Seconds idle{};
  std::array<WorkTime, work_codes> works{};  // by WorkCode
};

// The mean over the windows, which are disjoint and ascending; all zero if there are none. Intervals in any order.
GpuActivity activity_of(const std::vector<GpuInterval>& intervals, const std::vector<StepWindow>& windows);

GpuActivity mean_of(const std::vector<GpuActivity>& gpus);

}  // namespace trainyard
