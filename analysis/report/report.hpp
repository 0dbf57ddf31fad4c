// The reports of `--report FILE.html`: self-contained, no network, readable without scripts. Equal inputs, equal bytes;
// nothing that a user's file names can become markup. Whoever calls writes the text to a file.
#pragma once

#include <string>
#include <vector>

#include "analysis/simulate.hpp"
#include "analysis/sweep/answer.hpp"

namespace trainyard {

std::string step_report_html(const Job& job, const SimulatedStep& step);

// `simulated`: the plans that the store of the sweep has (the fastest of them, some thousands), for the scatter and the
// heat map of settings; without them both are of the answer's plans alone.
std::string sweep_report_html(const SweepAnswer& answer, const std::vector<EvaluatedPlan>& simulated = {});
inline constexpr int most_plans_shown = 5000;

}  // namespace trainyard
