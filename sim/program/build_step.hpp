// Model operators x schedule slots x communication paths -> StepProgram.
#pragma once

#include "sim/program/model_parts.hpp"
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
// `model`: step_model of the inputs, which several outlines share; the outline has no segments of its own.
StepProgram build_outline(const StepInputs& inputs, const StepModel& model);

}  // namespace trainyard
