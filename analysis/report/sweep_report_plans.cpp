// The tables and pictures of plans.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "analysis/report/picture_sweep.hpp"
#include "analysis/report/report_cells.hpp"
#include "analysis/report/step_report_sections.hpp"
#include "analysis/report/sweep_report_sections.hpp"
#include "analysis/sweep/answer_text_counts.hpp"
#include "analysis/sweep/answer_text_plans.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {
namespace {

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, " · ")); }

bool has(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// What all the best have in common is said once.
std::vector<std::string> shared_words(const std::vector<RankedPlan>& plans) {
  if (plans.size() < 2) return {};
  std::vector<std::string> shared = plan_words(plans.front().line);
  for (const RankedPlan& plan : plans)
    std::erase_if(shared, [words = plan_words(plan.line)](const std::string& word) { return !has(words, word); });
  return shared;
}

std::string line_without(const std::string& line, const std::vector<std::string>& shared) {
  std::vector<std::string> words = plan_words(line);
  std::erase_if(words, [&](const std::string& word) { return has(shared, word); });
  return words.empty() ? line : joined(words);
}

struct BestColumn {
  HtmlColumn head;
  std::function<HtmlCell(const RankedPlan&, std::size_t rank)> cell;
};

// Times by layers have a column if any of them reads differently. The cells refer to `shared` and `scale`.
std::vector<BestColumn> best_columns(const std::vector<RankedPlan>& best, const std::vector<std::string>& shared,
                                     const TimeScale& scale) {
  using Plan = const RankedPlan&;
  std::vector<BestColumn> columns;
  const auto add = [&columns](HtmlColumn head, std::function<HtmlCell(Plan, std::size_t rank)> cell) {
    columns.push_back({std::move(head), std::move(cell)});
  };
  const auto add_number = [&add](std::string title, std::function<HtmlCell(Plan)> cell) {
    add({std::move(title), true}, [cell = std::move(cell)](Plan p, std::size_t) { return cell(p); });
  };
  add({"plan", false, "long"}, [&](Plan p, std::size_t) -> HtmlCell { return {line_without(p.line, shared)}; });
  add({"rank", true}, [](Plan p, std::size_t rank) -> HtmlCell {
    return {fmt::format("{}{}", rank, rank > 1 && p.ties ? " (tie)" : ""), fmt::format("{}", rank)};
  });
  add_number("step time", [&](Plan p) { return time_cell(p.step_time, scale); });
  add_number("p10–p90", [&](Plan p) -> HtmlCell {
    return {fmt::format("{}–{}", scale.number(p.step_time_p10), scale.number(p.step_time_p90)),
            sort_key(p.step_time_p10.value)};
  });
  const bool layers_differ = std::any_of(
      best.begin(), best.end(), [&](Plan p) { return scale.number(p.layer_step_time) != scale.number(p.step_time); });
  if (layers_differ) add_number("by layers", [&](Plan p) { return time_cell(p.layer_step_time, scale); });
  add_number("fluid", [&](Plan p) {
    return p.fluid_step_time ? time_cell(*p.fluid_step_time, scale) : HtmlCell{"–", sorted_last};
  });
  add_number("MFU", [](Plan p) { return percent_cell(p.mfu); });
  add_number("tokens/s/GPU", [](Plan p) -> HtmlCell {
    return {grouped(std::llround(p.tokens_per_second_per_gpu)), sort_key(p.tokens_per_second_per_gpu)};
  });
  add_number("memory", [](Plan p) { return gib_cell(p.peak, 1); });
  add_number("reserved", [](Plan p) { return gib_cell(p.reserved, 1); });
  add({"settings", false, "live-only"}, [](Plan p, std::size_t rank) -> HtmlCell {
    return {.copy = set_options(p.settings), .copied = fmt::format("the settings of plan {}", rank)};
  });
  return columns;
}

std::vector<ScatterPlan> scatter_of(const SweepAnswer& answer, const std::vector<EvaluatedPlan>& simulated) {
  std::vector<ScatterPlan> plans;
  std::set<PlanIndex> shown;
  for (const ParetoPlan& p : answer.pareto) {
    plans.push_back({p.step_time, p.peak, p.line, true, true});
    shown.insert(p.index);
  }
  constexpr std::size_t most_dots = 600;  // a picture that still prints
  for (const EvaluatedPlan& p : simulated)
    if (plans.size() < most_dots && shown.insert(p.index).second)
      plans.push_back({p.step_time, p.peak, p.key.substr(0, p.key.find(" order=")), false, true});
  return plans;
}

}  // namespace

std::string set_options(const std::vector<std::string>& settings) {
  std::string text;
  for (const std::string& setting : settings) {
    std::string quoted;
    for (const char c : setting) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    text += fmt::format("{}--set '{}'", text.empty() ? "" : " ", quoted);
  }
  return text;
}

void add_best_section(Element main, const SweepAnswer& answer) {
  if (answer.best.empty()) return;
  const TimeScale scale(answer.best.front().step_time);
  Element s = section(main, "best", "The best plans");
  const std::vector<std::string> shared = shared_words(answer.best);
  if (!shared.empty()) add(s, "p", fmt::format("All: {}", joined(shared)));
  const std::vector<BestColumn> columns = best_columns(answer.best, shared, scale);
  std::vector<HtmlColumn> heads;
  for (const BestColumn& column : columns) heads.push_back(column.head);
  HtmlTable table(s,
                  fmt::format("Times in {}, memory per GPU in GiB. Copy gives a plan's --set options for `trainyard "
                              "simulate`. A tie is closer than the data can tell.",
                              scale.unit()),
                  heads, "sortable");
  for (std::size_t i = 0; i < answer.best.size(); ++i) {
    std::vector<HtmlCell> cells;
    for (const BestColumn& column : columns) cells.push_back(column.cell(answer.best[i], i + 1));
    table.add(cells, i == 0 ? "strong" : nullptr);
  }
}

void add_arguments_section(Element main, const SweepAnswer& answer) {
  if (answer.launch.empty()) return;
  Element s = section(main, "arguments", "Arguments of the best plan");
  for (const LaunchArguments& launch : answer.launch) {
    add(s, "h3", launch.framework);
    add_copy_button(s, "Copy", "the arguments for " + launch.framework, launch.text);
    Element block = add(s, "pre");
    set(block, "tabindex", "0");
    add(block, "code", launch.text);
  }
}

void add_pareto_section(Element main, const SweepAnswer& answer, const std::vector<EvaluatedPlan>& simulated) {
  if (answer.pareto.empty()) return;
  Element s = section(main, "pareto", "Step time against memory");
  const std::vector<ScatterPlan> plans = scatter_of(answer, simulated);
  figure(s,
         {pareto_svg(plans, answer.memory_limit, {"pareto-wide", wide_picture}),
          pareto_svg(plans, answer.memory_limit, {"pareto-narrow", narrow_picture})},
         "Memory is what is allocated at the peak; whether a plan fits is decided by what the allocator reserves for "
         "it. Of the plans on the line nobody is both faster and smaller.",
         "pareto");
  const TimeScale scale(answer.pareto.front().step_time);
  Element details = add(s, "details");
  add(details, "summary",
      fmt::format("The Pareto front as a table ({})", plans_in_words(static_cast<std::int64_t>(answer.pareto.size()))));
  HtmlTable table(details, "Nobody is both faster and smaller",
                  {{"plan", false, "long"},
                   {fmt::format("step time, {}", scale.unit()), true},
                   {"memory, GiB", true},
                   {"reserved, GiB", true}},
                  "sortable");
  for (const ParetoPlan& p : answer.pareto)
    table.add({{p.line}, time_cell(p.step_time, scale), gib_cell(p.peak, 1), gib_cell(p.reserved, 1)});
}

void add_settings_section(Element main, const std::vector<EvaluatedPlan>& simulated,
                          const std::vector<SweptSetting>& settings) {
  if (settings.size() < 2) return;
  const SettingPair shown = first_pair(settings);
  const SweptSetting& row = settings[shown.row];
  const SweptSetting& column = settings[shown.column];
  std::vector<AxesPoint> points;
  for (std::size_t i = 0; i < simulated.size(); ++i)
    points.push_back({row.values[static_cast<std::size_t>(row.of_plan[i])],
                      column.values[static_cast<std::size_t>(column.of_plan[i])], simulated[i].step_time});
  const HeatMap map = axes_heat_map(row.name, column.name, points);
  Element s = section(main, "settings", "What the settings do");
  figure(
      s, {heat_map_svg(map, {"axes-wide", wide_picture}), heat_map_svg(map, {"axes-narrow", narrow_picture})},
      "The best step time that was simulated with each pair of values. An empty field holds no plan that can run, fits "
      "and could have been among the best or on the Pareto front.",
      "axes");
}

void add_sensitivity_section(Element main, const SweepAnswer& answer) {
  if (answer.sensitivity.empty()) return;
  Seconds largest = answer.best.empty() ? Seconds{} : answer.best.front().step_time;
  for (const Sensitivity& one : answer.sensitivity) largest = std::max(largest, one.step_time.value_or(Seconds{}));
  const TimeScale scale(largest);
  Element s = section(main, "sensitivity", "On another machine");
  HtmlTable table(
      s, fmt::format("The best plan there, and this plan there; times in {}", scale.unit()),
      {{"change"}, {"best", true}, {"effect", true}, {"this plan", true}, {"best plan there", false, "long"}});
  for (const Sensitivity& one : answer.sensitivity)
    table.add({{one.change},
               {one.step_time ? scale.number(*one.step_time) : std::string("–")},
               {one.step_time && !answer.best.empty() ? signed_percent(-one.gain) : std::string("–")},
               {one.kept_plan_step ? scale.number(*one.kept_plan_step) : std::string("does not fit")},
               {!one.step_time  ? "no plan fits"
                : one.same_plan ? "the same plan"
                                : one.best_line}});
}

}  // namespace trainyard
