// The report of one simulated step for people. Functions of values: nothing is computed here but sums and shares.
#pragma once

#include <string>
#include <vector>

#include "analysis/simulate.hpp"
#include "analysis/text_layout.hpp"
#include "sim/plan/check_plan.hpp"

namespace trainyard {

// Headline, plan, breakdown, stages, communication, memory, diagnosis, warnings and a footer; ends with a newline.
// A plan that does not fit gets the same report under a verdict that says so.
std::string report_text(const Job& job, const SimulatedStep& step, const TextStyle& style);

// The verdict on a plan that cannot run: every problem with its axis and reason.
std::string problems_text(const std::string& scenario, const std::vector<PlanProblem>& problems,
                          const TextStyle& style);

}  // namespace trainyard
