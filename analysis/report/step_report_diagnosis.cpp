// What limits the step, what was tried against it, and which ranks are not like the others.
#include <fmt/format.h>

#include <algorithm>

#include "analysis/plan_words.hpp"
#include "analysis/rank_words.hpp"
#include "analysis/report/report_cells.hpp"
#include "analysis/report/step_report_sections.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {
namespace {

void add_sentences(Element parent, const std::vector<std::string>& sentences) {
  if (sentences.empty()) return;
  Element list = add(parent, "ul", {}, "sentences");
  for (const std::string& sentence : sentences) add(list, "li", sentence);
}

// "4 -> 2" as people set it.
std::string with_arrows(std::string text) {
  for (std::size_t at = 0; (at = text.find(" -> ", at)) != std::string::npos;) text.replace(at, 4, " → ");
  return text;
}

void add_experiments(Element parent, const StepResult& r) {
  const TimeScale scale(r.step_time);
  HtmlTable table(parent, fmt::format("Changes that were simulated, best first; now {}", scale.with_unit(r.step_time)),
                  {{"change", false, "words"},
                   {fmt::format("predicted step, {}", scale.unit()), true},
                   {"effect", true},
                   {"setting", false, "long"}},
                  "sortable");
  bool first = true;
  for (const Experiment& e : r.diagnosis.experiments) {
    const double effect = r.step_time.value > 0 ? (e.predicted_step - r.step_time) / r.step_time : 0;
    const HtmlCell step = e.fits ? time_cell(e.predicted_step, scale) : HtmlCell{"does not fit", sorted_last};
    const HtmlCell gain = e.fits ? HtmlCell{signed_percent(effect), sort_key(effect)} : HtmlCell{"–", sorted_last};
    table.add({{with_arrows(e.change)}, step, gain, {e.setting, {}, true, e.setting}}, first ? "strong" : nullptr);
    first = false;
  }
}

void add_placement(Element parent, const PlacementGain& gain) {
  add(parent, "h3", "Placement");
  add(parent, "p",
      fmt::format(
          "Against the packed placement the step changes by {} ({} to {}), exposed communication goes from {} to "
          "{}. {} distinct placements were simulated, {} more are equivalent to one of them.",
          signed_percent(-gain.saved()), to_text(gain.packed_step), to_text(gain.step), to_text(gain.packed_exposed),
          to_text(gain.exposed), gain.evaluated, gain.equivalent));
}

Seconds exposed(const Breakdown& b) { return b.exposed_tp + b.exposed_cp + b.exposed_ep + b.exposed_pp + b.exposed_dp; }

}  // namespace

void add_diagnosis_section(Element main, const StepResult& r) {
  const Diagnosis& d = r.diagnosis;
  Element s = section(main, "diagnosis", "Diagnosis");
  add(s, "p", fmt::format("The step is bound by {}, because:", name(d.bound)));
  add_sentences(s, d.evidence);
  if (!d.slow_path.empty()) {
    Element p = add(s, "p");
    add(p, "strong", "Slow path: ");
    add_text(p, d.slow_path);
  }
  if (!d.experiments.empty()) {
    if (!d.reason.empty()) add(s, "p", fmt::format("What to try next: {}.", d.reason));
    add_experiments(s, r);
  }
  if (r.placement) add_placement(s, *r.placement);
}

void add_ranks_section(Element main, const Job& job, const StepResult& r) {
  if (r.ranks.empty()) return;
  constexpr std::size_t most_rows = 256;
  const TimeScale scale(r.step_time);
  Element s = section(main, "ranks", "Ranks");
  add_sentences(s, straggler_evidence(r, job.cluster.gpus_per_node()));
  const std::size_t shown = std::min(most_rows, r.ranks.size());
  HtmlTable table(
      s,
      shown < r.ranks.size() ? fmt::format("The first {} of {} rows, {}", shown, r.ranks.size(), scale.unit())
                             : fmt::format("Ranks that can be told apart, {}", scale.unit()),
      {{"rank"}, {"GPU"}, {"stage", true}, {"slowdown", true}, {"compute", true}, {"exposed", true}, {"bubble", true}},
      "sortable");
  for (std::size_t i = 0; i < shown; ++i) {
    const RankResult& rank = r.ranks[i];
    table.add({{rank_words(rank), fmt::format("{}", rank.rank)},
               {device_words(rank.device, job.cluster.gpus_per_node()), fmt::format("{}", rank.device)},
               {fmt::format("{}", rank.stage)},
               {fmt::format("{:.3f}", rank.slowdown)},
               time_cell(rank.breakdown.compute, scale),
               time_cell(exposed(rank.breakdown), scale),
               time_cell(rank.breakdown.bubble, scale)});
  }
}

void add_warnings_section(Element main, const std::vector<std::string>& warnings) {
  if (warnings.empty()) return;
  Element s = section(main, "warnings", "Warnings");
  for (const std::string& warning : warnings) add(s, "p", warning, "warning");
}

}  // namespace trainyard
