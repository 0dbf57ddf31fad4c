// What the parts of the step builder share about the stage being written.
#pragma once

#include "sim/plan/schedule.hpp"
#include "sim/program/model_parts.hpp"
#include "sim/program/stage_writer.hpp"
#include "sim/program/step_inputs.hpp"

namespace trainyard {

struct StageContext {
  const StepInputs& in;
  const ScheduleRow& schedule;
  PipelineShape shape;
  Overlaps overlaps;
  RankSlice slice;
  const StepModel& model;
  StageWriter& writer;
  int stage = 0;

  const Plan& plan() const { return *in.plan; }
  const ModelChunk& chunk(int index) const { return model.chunk(stage, index); }
  const StagePaths& paths() const { return in.paths->stages[static_cast<std::size_t>(stage)]; }
  int model_stages() const { return shape.stages * shape.chunks / schedule.copies; }
};

// Whole bytes, so that sums of memory changes are exact.
Bytes whole_bytes(double bytes);

// Parameters as they are used and gathered: 16 bit, or 8.
double parameter_bytes(const Plan& plan);

}  // namespace trainyard
