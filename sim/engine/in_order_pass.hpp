// The fast way through a program whose lists are in an order that can be executed as it stands, which is how the
// builders emit them: one cursor per rank kind, no dependency bookkeeping.
#pragma once

#include <optional>

#include "sim/engine/pricing.hpp"
#include "sim/engine/timeline.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

// The timeline, or nothing if some cursor waits for an instruction that stands behind another waiting cursor: the
// order of the lists then says nothing, and the general engine decides whether the program is stuck.
std::optional<Timeline> run_in_order(const StepProgram& program, const PricedProgram& prices);

}  // namespace trainyard
