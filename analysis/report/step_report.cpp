#include <fmt/format.h>

#include "analysis/plan_words.hpp"
#include "analysis/report/page.hpp"
#include "analysis/report/report.hpp"
#include "analysis/report/step_data_json.hpp"
#include "analysis/report/step_report_sections.hpp"
#include "analysis/version.hpp"

namespace trainyard {

std::vector<std::vector<HtmlCell>> folded(std::vector<std::vector<HtmlCell>> rows) {
  const auto same = [](const std::vector<HtmlCell>& a, const std::vector<HtmlCell>& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t c = 1; c < a.size(); ++c)
      if (a[c].text != b[c].text) return false;
    return true;
  };
  std::vector<std::vector<HtmlCell>> out;
  for (std::size_t first = 0; first < rows.size();) {
    std::size_t last = first;
    while (last + 1 < rows.size() && same(rows[last + 1], rows[first])) ++last;
    out.push_back(rows[first]);
    if (last > first) out.back()[0].text += "–" + rows[last][0].text;
    first = last + 1;
  }
  return out;
}

// Without the time that the prediction took: equal inputs, equal bytes.
std::string step_report_html(const Job& job, const SimulatedStep& step) {
  ReportPage page(fmt::format("{}: {} per step on {} GPUs", job.model.name, to_text(step.result.step_time),
                              step.layout.world_size()));
  add_step_headline(page.header(), job, step);
  add_timeline_section(page.main(), step);
  add_breakdown_section(page.main(), step.result);
  add_diagnosis_section(page.main(), step.result);
  add_memory_section(page.main(), job, step);
  add_communication_section(page.main(), job, step);
  add_ranks_section(page.main(), job, step.result);
  add_warnings_section(page.main(), step.result.warnings);
  add_inputs_section(page.main(), job, step);
  add_provenance_section(page.main(), job.profile);
  add(page.footer(), "p",
      fmt::format("Simulated, not measured: trainyard {} · {} engine · {} events · inputs {}", version(),
                  step.result.engine, step.result.events, step.result.inputs_hash));
  page.set_chart_data(step_chart_data(job, step));
  return page.html();
}

}  // namespace trainyard
