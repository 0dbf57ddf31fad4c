// The parts of a sweep's report, in their order; each adds a section to the page, or nothing where there is nothing to
// say.
#pragma once

#include "analysis/report/html.hpp"
#include "analysis/report/sweep_settings.hpp"
#include "analysis/sweep/answer.hpp"

namespace trainyard {

void add_sweep_headline(Element header, const SweepAnswer& answer);
void add_pareto_section(Element main, const SweepAnswer& answer, const std::vector<EvaluatedPlan>& simulated);
void add_best_section(Element main, const SweepAnswer& answer);
void add_arguments_section(Element main, const SweepAnswer& answer);
void add_settings_section(Element main, const std::vector<EvaluatedPlan>& simulated,
                          const std::vector<SweptSetting>& settings);
void add_counts_section(Element main, const SweepCounts& counts);
void add_runner_up_section(Element main, const SweepAnswer& answer);
void add_sensitivity_section(Element main, const SweepAnswer& answer);

// "--set 'plan.tp=8' --set …", for a shell.
std::string set_options(const std::vector<std::string>& settings);

}  // namespace trainyard
