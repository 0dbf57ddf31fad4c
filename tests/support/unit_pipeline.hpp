// Pipelines whose passes take round numbers, so that schedules are checked against tables worked by hand.
#pragma once

#include <string>
#include <vector>

#include "sim/engine/engine.hpp"
#include "sim/program/build_step.hpp"

namespace trainyard::testing {

struct UnitPipeline {
  int stages = 4;
  int micro_batches = 8;
  int chunks = 1;  // virtual stages
  std::string schedule = "1f1b";
  double forward = 1.0;  // of a whole stage; a chunk takes 1/chunks of it
  double backward = 2.0;
  double input_gradient = 1.0;  // of schedules that split the backward
  double weight_gradient = 1.0;
  double hop = 0.0;  // of one message between stages
  bool blocking = false;
};

StepProgram program_of(const UnitPipeline& pipeline);
PricedProgram prices_of(const UnitPipeline& pipeline, const StepProgram& program);
double makespan(const UnitPipeline& pipeline);
// "F0@0 F1@1 … B7@31": compute order of a stage with start times; W is the weight half of a split backward, "F4+B1"
// runs as one.
std::string start_times(const UnitPipeline& pipeline, std::size_t stage);
// Largest number of forwards without their backward, in whole-stage activations.
double in_flight(const UnitPipeline& pipeline, std::size_t stage);

}  // namespace trainyard::testing
