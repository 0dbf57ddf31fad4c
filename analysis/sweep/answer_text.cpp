#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/report_text_sections.hpp"
#include "analysis/sweep/answer.hpp"
#include "analysis/sweep/answer_text_counts.hpp"
#include "analysis/sweep/answer_text_plans.hpp"
#include "analysis/sweep/tied_plans.hpp"

namespace trainyard {
namespace {

constexpr std::size_t most_front_rows = 20;
constexpr std::string_view tie_note = "= ties with the best";

std::string gib(Bytes bytes) { return fmt::format("{:.1f}", in_gib(bytes)); }

std::string labelled(std::string_view label, std::string_view text, const TextStyle& style) {
  return fmt::format("  {}{}\n", painted(fmt::format("{:<14}", label), Ink::faint, style),
                     wrapped(text, style.width - 16, std::string(16, ' ')));
}

std::string title(const SweepAnswer& answer, const TextStyle& style) {
  return fmt::format("{}  {} on {} · {} GPUs\n\n", painted(answer.name, Ink::strong, style), answer.model,
                     answer.cluster, answer.gpus);
}

std::string range_of(const RankedPlan& plan, const TimeScale& scale) {
  return fmt::format("p10–p90 {}–{}", scale.number(plan.step_time_p10), scale.with_unit(plan.step_time_p90));
}

std::int64_t different_plans(const SweepCounts& counts) { return counts.total() - counts.excluded; }

std::string best_section(const SweepAnswer& answer, const TextStyle& style) {
  const RankedPlan& best = answer.best.front();
  const TimeScale scale(best.step_time);
  std::string text = labelled("best of", plans_in_words(different_plans(answer.counts)), style);
  text += labelled("plan", painted(best.line, Ink::strong, style), style);
  text += labelled(
      "step time",
      fmt::format("{} ({})", painted(scale.with_unit(best.step_time), Ink::strong, style), range_of(best, scale)),
      style);
  text += labelled(
      "MFU",
      fmt::format("{} · {} tokens/s/GPU", percent(best.mfu), grouped(std::llround(best.tokens_per_second_per_gpu))),
      style);
  text += labelled(
      "memory", fmt::format("{} of {} GiB ({} reserved)", gib(best.peak), gib(answer.memory_limit), gib(best.reserved)),
      style);
  for (const TieLine& line : tie_lines(answer)) text += labelled(line.label, line.text, style);
  return text;
}

std::string why_none(const SweepCounts& counts) {
  const std::int64_t different = different_plans(counts);
  if (different == 0 && counts.total() > 0)
    return fmt::format("`where` leaves none of the {}", plans_in_words(counts.total()));
  return fmt::format("none of {} {}", plans_in_words(different),
                     counts.out_of_memory > 0 ? "fits in memory" : "can run");
}

std::string no_plan_section(const SweepAnswer& answer, const TextStyle& style) {
  std::string text = fmt::format("  {}\n", painted(why_none(answer.counts), Ink::bad, style));
  if (answer.closest)
    text += labelled(
        "closest",
        fmt::format("{} needs {} of {} GiB, {} GiB too much", answer.closest->line, gib(answer.closest->reserved),
                    gib(answer.memory_limit), gib(answer.closest->reserved - answer.memory_limit)),
        style);
  return text;
}

std::string ranking_section(const SweepAnswer& answer, const TextStyle& style) {
  const TimeScale scale(answer.best.front().step_time);
  std::vector<PlanRow> rows;
  for (std::size_t i = 0; i < answer.best.size(); ++i) {
    const RankedPlan& p = answer.best[i];
    const std::string fluid = p.fluid_step_time ? scale.number(*p.fluid_step_time) : "–";
    rows.push_back({{fmt::format("{}", i + 1), scale.number(p.step_time), scale.number(p.layer_step_time), fluid,
                     fmt::format("{}–{}", scale.number(p.step_time_p10), scale.number(p.step_time_p90)), percent(p.mfu),
                     gib(p.peak)},
                    p.line,
                    i == 0 ? Ink::strong : Ink::plain,
                    i == 0   ? "▸"
                    : p.ties ? "="
                             : " "});
  }
  const auto tied = std::count_if(answer.best.begin(), answer.best.end(), [](const RankedPlan& p) { return p.ties; });
  const std::string note = tied > 0 ? fmt::format("; {}", tie_note) : "";
  return heading(fmt::format("The best plans ({}{})", scale.unit(), note), style) +
         plan_table({{"rank"}, {"step"}, {"layer"}, {"fluid"}, {"p10–p90", Align::right, true}, {"MFU"}, {"GiB"}}, rows,
                    style);
}

// At most so many, first and last among them, the others evenly between.
std::vector<const ParetoPlan*> thinned(const std::vector<ParetoPlan>& front) {
  const std::size_t shown = std::min(most_front_rows, front.size());
  std::vector<const ParetoPlan*> plans;
  for (std::size_t i = 0; i < shown; ++i)
    plans.push_back(&front[shown == front.size() ? i : i * (front.size() - 1) / (shown - 1)]);
  return plans;
}

bool ties_with_best(const ParetoPlan& plan, const SweepAnswer& answer) {
  return !answer.best.empty() && plan.index != answer.best.front().index &&
         ties(answer.best.front().step_time, plan.step_time);
}

std::string front_section(const SweepAnswer& answer, const TextStyle& style) {
  if (answer.pareto.size() < 2) return "";
  const TimeScale scale(answer.best.empty() ? answer.pareto.back().step_time : answer.best.front().step_time);
  const std::vector<const ParetoPlan*> shown = thinned(answer.pareto);
  std::vector<PlanRow> rows;
  std::vector<std::string> notes;
  if (shown.size() < answer.pareto.size())
    notes.push_back(fmt::format("{} of {} plans", shown.size(), answer.pareto.size()));
  for (const ParetoPlan* plan : shown) {
    const bool tied = ties_with_best(*plan, answer);
    rows.push_back({{scale.number(plan->step_time), gib(plan->peak)}, plan->line, Ink::plain, tied ? "=" : " "});
    if (tied && (notes.empty() || notes.back() != tie_note)) notes.emplace_back(tie_note);
  }
  const std::string note = notes.empty() ? "" : fmt::format(" ({})", fmt::join(notes, "; "));
  return heading(fmt::format("Pareto front of step time and memory{}", note), style) +
         plan_table({{fmt::format("step, {}", scale.unit())}, {"peak, GiB"}}, rows, style);
}

std::string runner_up_section(const SweepAnswer& answer, const TextStyle& style) {
  if (answer.runner_up.empty()) return "";
  std::string text = heading("Why the next plan loses", style);
  for (const std::string& sentence : answer.runner_up)
    text += fmt::format("  {}\n", wrapped(sentence, style.width - 4, "    "));
  return text;
}

std::string placement_section(const std::optional<PlacementWorth>& worth, const TextStyle& style) {
  if (!worth || worth->variants < 1) return "";
  std::string sentence = "every rank order and placement of the best plan takes the same time";
  if (worth->variants > 1) {
    const TimeScale scale(worth->worst_step);
    sentence = fmt::format("{} against {}: {} of the step ({} {} against {} {}; {} different times)",
                           scale.with_unit(worth->best_step), scale.with_unit(worth->worst_step),
                           percent(1.0 - worth->best_step / worth->worst_step), "best", worth->best, "worst",
                           worth->worst, worth->variants);
  }
  return heading("What placement alone is worth", style) +
         fmt::format("  {}\n", wrapped(sentence, style.width - 2, "  "));
}

std::string best_there(const Sensitivity& s) {
  if (!s.step_time) return "no plan fits";
  return s.same_plan ? "the same plan" : s.best_line;
}

std::vector<PlanRow> sensitivity_rows(const SweepAnswer& answer, const TimeScale& scale) {
  std::vector<PlanRow> rows;
  for (const Sensitivity& s : answer.sensitivity)
    rows.push_back({{s.change, s.step_time ? scale.number(*s.step_time) : "–",
                     s.step_time && !answer.best.empty() ? signed_percent(-s.gain) : "–",
                     s.kept_plan_step ? scale.number(*s.kept_plan_step) : "does not fit"},
                    best_there(s)});
  return rows;
}

std::string sensitivity_section(const SweepAnswer& answer, const TextStyle& style) {
  if (answer.sensitivity.empty()) return "";
  Seconds largest{};
  for (const Sensitivity& s : answer.sensitivity) largest = std::max(largest, s.step_time.value_or(Seconds{}));
  if (!answer.best.empty()) largest = answer.best.front().step_time;
  if (largest == Seconds{}) return heading("On another machine", style) + "  no plan fits there, either\n";
  const TimeScale scale(largest);
  const std::vector<TableColumn> columns = {{"", Align::left}, {"best"}, {"change"}, {"this plan"}};
  return heading(fmt::format("On another machine ({}; the best there, and this plan there)", scale.unit()), style) +
         plan_table(columns, sensitivity_rows(answer, scale), style,
                    answer.best.empty() ? "" : answer.best.front().line);
}

// To copy: neither wrapped nor indented.
std::string launch_section(const SweepAnswer& answer, const TextStyle& style) {
  std::string text;
  for (const LaunchArguments& launch : answer.launch)
    text += heading("Arguments of the best plan for " + launch.framework, style) + launch.text;
  return text;
}

std::string warnings_text(const SweepAnswer& answer, const TextStyle& style) {
  if (answer.warnings.empty()) return "";
  std::string text = heading("Warnings", style);
  for (const std::string& warning : answer.warnings)
    text += fmt::format("  {}\n", wrapped(warning, style.width - 4, "    "));
  return text;
}

}  // namespace

std::string answer_text(const SweepAnswer& answer, const TextStyle& style) {
  std::string text = title(answer, style);
  text += answer.best.empty() ? no_plan_section(answer, style) : best_section(answer, style);
  text += heading("What became of the plans", style) + counts_text(answer.counts, style);
  if (!answer.best.empty()) text += ranking_section(answer, style);
  text += front_section(answer, style);
  text += runner_up_section(answer, style);
  text += placement_section(answer.placement, style);
  text += sensitivity_section(answer, style);
  text += launch_section(answer, style);
  text += warnings_text(answer, style);
  text +=
      "\n" + painted(fmt::format("trainyard {} · inputs {}", answer.version, answer.hash), Ink::faint, style) + "\n";
  return finished(std::move(text), style);
}

}  // namespace trainyard
