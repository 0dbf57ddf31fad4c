// The sweep's answer in a few words, and what became of all the plans.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/report/report_cells.hpp"
#include "analysis/report/sweep_report_sections.hpp"
#include "analysis/sweep/answer_text_counts.hpp"
#include "analysis/sweep/tied_plans.hpp"

namespace trainyard {
namespace {

std::int64_t different_plans(const SweepCounts& counts) { return counts.total() - counts.excluded; }

std::string why_none(const SweepAnswer& answer) {
  const std::int64_t different = different_plans(answer.counts);
  if (different == 0) return fmt::format("No plan is left of the {}.", plans_in_words(answer.counts.total()));
  std::string text = fmt::format("None of {} {}.", plans_in_words(different),
                                 answer.counts.out_of_memory > 0 ? "fits in memory" : "can run");
  if (answer.closest)
    text += fmt::format(" Closest is {}: it needs {:.1f} of {:.1f} GiB.", answer.closest->line,
                        in_gib(answer.closest->reserved), in_gib(answer.memory_limit));
  return text;
}

std::string verdict(const SweepAnswer& answer) {
  if (answer.best.empty()) return why_none(answer);
  const auto tied = std::count_if(answer.best.begin(), answer.best.end(), [](const RankedPlan& p) { return p.ties; });
  std::string text =
      fmt::format("Best of {}: {}.", plans_in_words(different_plans(answer.counts)), answer.best[0].line);
  const auto others = static_cast<std::ptrdiff_t>(answer.best.size()) - 1;
  if (tied > 0)
    text += fmt::format(" {} of the next {} are too close to it to tell which is faster.",
                        tied == others ? "All" : fmt::format("{}", tied), others);
  return text;
}

void add_tiles(Element header, const SweepAnswer& answer) {
  const RankedPlan& best = answer.best.front();
  const TimeScale scale(best.step_time);
  Element tiles = add(header, "dl", {}, "tiles");
  add_tile(tiles, "step time", scale.with_unit(best.step_time),
           best.step_time_p90 > best.step_time_p10
               ? fmt::format("p10–p90 {}–{}", scale.number(best.step_time_p10), scale.with_unit(best.step_time_p90))
               : std::string());
  add_tile(tiles, "tokens/s per GPU", grouped(std::llround(best.tokens_per_second_per_gpu)), "");
  add_tile(tiles, "MFU", percent(best.mfu), "");
  add_tile(tiles, "peak memory", fmt::format("{:.1f} GiB", in_gib(best.peak)),
           fmt::format("{:.1f} reserved, limit {:.1f} GiB", in_gib(best.reserved), in_gib(answer.memory_limit)));
  add_tile(tiles, "plans", grouped(different_plans(answer.counts)),
           fmt::format("{} simulated", grouped(answer.counts.evaluated)));
}

}  // namespace

void add_sweep_headline(Element header, const SweepAnswer& answer) {
  add(header, "h1", fmt::format("{}: the plan for {} GPUs", answer.name, answer.gpus));
  add(header, "p", fmt::format("{} on {} · {} GPUs", answer.model, answer.cluster, answer.gpus), "subject");
  add(header, "p", verdict(answer), answer.best.empty() ? "verdict bad" : "verdict");
  if (!answer.best.empty()) add_tiles(header, answer);
}

void add_counts_section(Element main, const SweepCounts& counts) {
  Element s = section(main, "counts", "What was dismissed, and why");
  HtmlTable table(s, "Every plan of the sweep is in exactly one row",
                  {{"what became of them", false, "long"}, {"plans", true}, {"share", true}});
  const double total = static_cast<double>(std::max<std::int64_t>(counts.total(), 1));
  const auto add_row = [&](const std::string& what, std::int64_t plans, const char* css_class) {
    if (plans > 0) table.add({{what}, {grouped(plans)}, {percent(static_cast<double>(plans) / total)}}, css_class);
  };
  add_row("excluded, or the same plan as another", counts.excluded, nullptr);
  add_row("cannot run", counts.infeasible, nullptr);
  std::vector<std::pair<std::string, std::int64_t>> reasons(counts.infeasible_reasons.begin(),
                                                            counts.infeasible_reasons.end());
  std::stable_sort(reasons.begin(), reasons.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [reason, plans] : reasons) add_row(reason, plans, "part");
  add_row("do not fit in memory", counts.out_of_memory, nullptr);
  add_row("cross the same links as another", counts.same_placement, nullptr);
  add_row("provably neither among the best nor on the Pareto front", counts.pruned, nullptr);
  add_row("simulated", counts.evaluated, nullptr);
  add_row("in all", counts.total(), "whole");
}

void add_runner_up_section(Element main, const SweepAnswer& answer) {
  const std::vector<TieLine> ties = answer.best.empty() ? std::vector<TieLine>{} : tie_lines(answer);
  if (answer.runner_up.empty() && ties.empty() && !answer.placement) return;
  Element s = section(main, "runner-up", "Why the next plan loses");
  if (!answer.runner_up.empty()) {
    Element list = add(s, "ul", {}, "sentences");
    for (const std::string& sentence : answer.runner_up) add(list, "li", sentence);
  }
  FactList facts(s);
  for (const TieLine& line : ties) facts.add(line.label, line.text);
  if (const auto& p = answer.placement)
    facts.add("placement", fmt::format("{} against {}: {} of the step (best {}, worst {}; {} different times)",
                                       to_text(p->best_step), to_text(p->worst_step),
                                       percent(p->worst_step.value > 0 ? 1 - p->best_step / p->worst_step : 0), p->best,
                                       p->worst, p->variants));
}

}  // namespace trainyard
