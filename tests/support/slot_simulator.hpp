// Runs the slots of a schedule by their dependencies alone, in round numbers, so that schedules are checked against
// tables worked by hand:
//   F(s) <- F(s-1)    B(s) <- F(s), B(s+1)    W(s) <- B(s)    by micro-batch and copy, s a model stage
// A stage runs one op at a time; a pair runs as one op, as long as its forward and its backward together.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/plan/schedule.hpp"

namespace trainyard::testing {

// Of a whole stage: each of v virtual stages takes 1/v of it.
struct PassTimes {
  double forward = 1.0;
  double backward_input = 1.0;
  double backward_weight = 1.0;
  double hop = 0.0;  // of a message from stage to stage, beside the compute
};

struct SlotRun {
  PipelineShape shape;
  int virtual_stages = 1;
  std::vector<std::vector<Slot>> slots;     // by stage
  std::vector<std::vector<double>> starts;  // of slots that ran; both of a pair start together
  std::vector<std::vector<double>> ends;
  std::string deadlock;  // "stage 0 waits before F3.1, …"; empty if every slot ran

  double makespan() const;
  double first_start(int stage) const;
  double last_end(int stage) const;
  // Time between a stage's first start and last end in which it runs nothing.
  double idle(int stage) const;
  // Largest number of activations held, in those of a whole stage. `until_weight` is the share of an activation that is
  // kept until the weight gradient.
  double in_flight(int stage, double until_weight = 0.0) const;
};

SlotRun run_slots(const ScheduleRow& row, const PipelineShape& shape, const PassTimes& times = {});
// The same by name; fails the test if there is no such row or it cannot run this shape.
SlotRun run_slots(std::string_view schedule, const PipelineShape& shape, const PassTimes& times = {});

struct Notation {
  bool chunks = false;  // "F3.1" instead of "F3"
  std::string_view fused = "B";
};
// "F0 F1 B0 W0 F2+B1"
std::string order(const SlotRun& run, int stage, const Notation& notation = {});
// "F0@0 F1@1 B0@7"
std::string start_times(const SlotRun& run, int stage, const Notation& notation = {});

}  // namespace trainyard::testing
