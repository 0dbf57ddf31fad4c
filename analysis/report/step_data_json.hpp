// What the charts of a step's report are drawn from, as JSON.
#pragma once

#include <string>

#include "analysis/simulate.hpp"

namespace trainyard {

// An object with a member per chart: timeline, memory (see charts/timeline.js and charts/memory.js).
std::string step_chart_data(const Job& job, const SimulatedStep& step);

}  // namespace trainyard
