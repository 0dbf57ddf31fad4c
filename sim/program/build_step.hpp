// Model operators x schedule slots x communication paths -> StepProgram.
#pragma once

#include <vector>

#include "sim/program/step_inputs.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

enum class Granularity {
  block,
  layer,
  operator_
};  // one instruction per (chunk, micro-batch, F/B), segment or operator

StepProgram build_step(const StepInputs& inputs, Granularity granularity);

// At block granularity, with the first two and the last two slots of every pass and chunk only: what a step is made of,
// but not all of it. Works, paths and memory changes are numbered as in the whole program; it cannot be run.
struct StepOutline {
  StepProgram program;
  std::vector<std::vector<int>> warm_up;  // [stage][chunk] forwards before the first backward of the stage
};
StepOutline build_outline(const StepInputs& inputs);

}  // namespace trainyard
