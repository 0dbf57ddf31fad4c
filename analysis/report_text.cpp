#include "analysis/report_text.hpp"

#include <fmt/format.h>

#include "analysis/memory_text.hpp"
#include "analysis/pipeline_picture.hpp"
#include "analysis/report_text_sections.hpp"

namespace trainyard {

namespace {

std::string pipeline_section(const SimulatedStep& step, const TextStyle& style) {
  const std::string picture = pipeline_text(pipeline_picture(step), style);
  return picture.empty() ? picture : heading("What each pipeline stage does when", style) + picture;
}

}  // namespace

std::string report_text(const Job& job, const SimulatedStep& step, const TextStyle& style) {
  const StepResult& result = step.result;
  std::string text = headline_section(job, step, style);
  text += placement_section(step, style);
  text += breakdown_section(result, style);
  text += pipeline_section(step, style);
  text += stages_section(step, style);
  text += ranks_section(job, result, style);
  text += communication_section(result, style);
  if (!result.memory.stages.empty())
    text += heading("Memory per GPU at its peak, GiB", style) + memory_section(result.memory, style) +
            memory_bars(result.memory, style);
  text += diagnosis_section(result, style);
  text += warnings_section(result, style);
  text += footer_section(result, style);
  return finished(std::move(text), style);
}

std::string problems_text(const std::string& scenario, const std::vector<PlanProblem>& problems,
                          const TextStyle& style) {
  std::string text = painted(fmt::format("{}: the plan cannot run", scenario), Ink::bad, style) + "\n";
  for (const PlanProblem& problem : problems) {
    const std::string reason = problem.unsupported ? problem.reason + " (not supported by trainyard)" : problem.reason;
    text += fmt::format("  {:<10}{}\n", problem.axis, wrapped(reason, style.width - 12, std::string(12, ' ')));
  }
  return finished(std::move(text), style);
}

}  // namespace trainyard
