// Model operators x schedule slots x communication paths -> StepProgram.
#pragma once

#include "sim/program/step_inputs.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

enum class Granularity {
  block,
  layer,
  operator_
};  // one instruction per (chunk, micro-batch, F/B), segment or operator

StepProgram build_step(const StepInputs& inputs, Granularity granularity);

}  // namespace trainyard
