// Less time than a plan can take, from its outline alone: what dismisses a plan before it runs.
#pragma once

#include <vector>

#include "models/profile.hpp"
#include "sim/engine/pricing.hpp"
#include "sim/plan/plan.hpp"
#include "sim/plan/schedule.hpp"
#include "sim/program/build_step.hpp"

namespace trainyard {

// Durations of the segments without any communication, for all placements at once.
std::vector<Seconds> compute_alone(const std::vector<SegmentTimes>& segments);
// … with the communication inside them.
std::vector<Seconds> durations_of(const std::vector<SegmentTimes>& segments);

// The largest reservation of any stage is at least this: its states and the activations of the forwards before its
// first backward (of one forward where the number of those may depend on the number of micro-batches).
struct LeastMemory {
  Bytes peak{}, reserved{};
};
LeastMemory least_memory(const StepOutline& outline, const ScheduleRow& schedule, const Plan& plan,
                         const Profile& profile);

// No step of `micro_batches` is shorter than the passes and the optimizer of its busiest stage one after the other,
// after the first micro-batch came through the stages before it and before the last one is back there:
//   max over stages s of  sum_{j<s} F_j + m W_s + optimizer_s + sum_{j<s} B_j
// (the sums over other stages only for schedules whose chunk 0 is the first in and the last out). 0 for schedules whose
// passes hide each other's communication.
Seconds lower_bound(const StepProgram& outline, const ScheduleRow& schedule, const std::vector<Seconds>& segments,
                    int micro_batches);

}  // namespace trainyard
