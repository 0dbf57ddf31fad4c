// The parts of report_text, one function each: whole lines, in Unicode; an empty string if there is nothing to say.
#pragma once

#include <string>

#include "analysis/simulate.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {

std::string heading(std::string_view title, const TextStyle& style);  // a blank line and the title
std::string headline_section(const Job& job, const SimulatedStep& step, const TextStyle& style);
// What a placement search found, with the plan's keys for it; empty without a search.
std::string placement_section(const SimulatedStep& step, const TextStyle& style);
std::string breakdown_section(const StepResult& result, const TextStyle& style);
std::string stages_section(const SimulatedStep& step, const TextStyle& style);
// Ranks that differ from the others of their stage, where every rank was simulated.
std::string ranks_section(const Job& job, const StepResult& result, const TextStyle& style);
std::string communication_section(const StepResult& result, const TextStyle& style);
std::string diagnosis_section(const StepResult& result, const TextStyle& style);
std::string warnings_section(const StepResult& result, const TextStyle& style);
std::string footer_section(const StepResult& result, const TextStyle& style);

}  // namespace trainyard
