#include <fmt/format.h>

#include "analysis/report/page.hpp"
#include "analysis/report/report.hpp"
#include "analysis/report/step_report_sections.hpp"
#include "analysis/report/sweep_data_json.hpp"
#include "analysis/report/sweep_report_sections.hpp"

namespace trainyard {

std::string sweep_report_html(const SweepAnswer& answer, const std::vector<EvaluatedPlan>& simulated) {
  const std::vector<SweptSetting> settings = swept_settings(simulated);
  ReportPage page(fmt::format("{}: plans for {} GPUs", answer.name, answer.gpus));
  add_sweep_headline(page.header(), answer);
  add_best_section(page.main(), answer);
  add_arguments_section(page.main(), answer);
  add_pareto_section(page.main(), answer, simulated);
  add_settings_section(page.main(), simulated, settings);
  add_runner_up_section(page.main(), answer);
  add_sensitivity_section(page.main(), answer);
  add_counts_section(page.main(), answer.counts);
  add_warnings_section(page.main(), answer.warnings);
  add(page.footer(), "p",
      fmt::format("Simulated, not measured: trainyard {} · inputs {}", answer.version, answer.hash));
  page.set_chart_data(sweep_chart_data(answer, simulated, settings));
  return page.html();
}

}  // namespace trainyard
