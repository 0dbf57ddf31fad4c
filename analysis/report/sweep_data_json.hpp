// What the charts of a sweep's report are drawn from, as JSON.
#pragma once

#include <string>
#include <vector>

#include "analysis/report/sweep_settings.hpp"
#include "analysis/sweep/answer.hpp"

namespace trainyard {

// An object with a member per chart: pareto, axes (see charts/pareto.js and charts/axes.js).
std::string sweep_chart_data(const SweepAnswer& answer, const std::vector<EvaluatedPlan>& simulated,
                             const std::vector<SweptSetting>& settings);

}  // namespace trainyard
