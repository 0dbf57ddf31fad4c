// What is sent, how often, how long it takes and how much of it is exposed: one line per axis, collective and purpose.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "analysis/step_result.hpp"
#include "models/profile.hpp"
#include "sim/engine/pricing.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

// The line that collectives inside a layer are part of.
Axis axis_of(LayerGroup group);
std::string_view layer_purpose(Axis axis);  // "activations", "keys and values", "tokens"

// Of the average rank. `exposed` is the exposed time of each work outside the segments, `mean` the average breakdown,
// `uses` are work_uses(program).
std::vector<CommunicationLine> communication_lines(const StepProgram& program, const PricedProgram& prices,
                                                   const std::vector<Seconds>& exposed, const Profile& profile,
                                                   const Breakdown& mean, const std::vector<std::int64_t>& uses);

}  // namespace trainyard
