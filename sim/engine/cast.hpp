// Gives every rank class its part: which works are transfers, over which flows, and with whom it meets.
#pragma once

#include "sim/engine/rank_engine.hpp"

namespace trainyard {

Cast make_cast(const StepProgram& program, const PricedProgram& alone, const Traffic& traffic,
               const RankClasses& classes, const EngineContext& context, LinkSharing sharing);

}  // namespace trainyard
