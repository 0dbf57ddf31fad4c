// The parts of a step's report, in their order; each adds a section to the page, or nothing where there is nothing to
// say.
#pragma once

#include "analysis/report/html.hpp"
#include "analysis/simulate.hpp"

namespace trainyard {

void add_step_headline(Element header, const Job& job, const SimulatedStep& step);
void add_timeline_section(Element main, const SimulatedStep& step);
void add_breakdown_section(Element main, const StepResult& result);
void add_memory_section(Element main, const Job& job, const SimulatedStep& step);
void add_communication_section(Element main, const Job& job, const SimulatedStep& step);
void add_diagnosis_section(Element main, const StepResult& result);
void add_ranks_section(Element main, const Job& job, const StepResult& result);
void add_warnings_section(Element main, const std::vector<std::string>& warnings);
void add_inputs_section(Element main, const Job& job, const SimulatedStep& step);
void add_provenance_section(Element main, const Profile& profile);

// Widths that pictures are drawn for: the page's column, and a phone's.
inline constexpr double wide_picture = 1120;
inline constexpr double narrow_picture = 358;

// Rows whose cells agree, but for the first, share one: "0–3".
std::vector<std::vector<HtmlCell>> folded(std::vector<std::vector<HtmlCell>> rows);

}  // namespace trainyard
