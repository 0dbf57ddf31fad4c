#include "analysis/adaptation/leave_one_out_text.hpp"

#include <fmt/format.h>

#include <cmath>

#include "analysis/adaptation/learnt.hpp"

namespace trainyard {
namespace {

std::string errors_text(const std::optional<ErrorStatistics>& errors) {
  if (!errors) return "–";
  return fmt::format("{:.1f} ({:+.1f})", errors->mape * 100, errors->bias * 100);
}

std::vector<std::string> cells_of(const LeftOutScore& score) {
  return {score.group,
          fmt::format("{}", score.rows),
          errors_text(score.tuned),
          errors_text(score.prior),
          errors_text(score.left_out),
          errors_text(score.three_rows)};
}

std::string scores_text(const LeaveOneOut& study, const TextStyle& style) {
  TextTable table({{"left out: MAPE % (bias)", Align::left},
                   {"rows"},
                   {"tuned"},
                   {"prior only"},
                   {"left out"},
                   {"with three rows"}});
  for (const LeftOutScore& score : study.groups) table.add(cells_of(score));
  if (study.groups.size() > 1) table.add(cells_of(mean_of(study.groups)), Ink::strong);
  return table.text(style) +
         "  tuned: the profiles as shipped; prior only: constants as believed before any training step; left out: "
         "fitted\n"
         "  to the other sources; with three rows: and to three of its own, scored on the rest\n";
}

std::string lessons_text(const LeaveOneOut& study, const TextStyle& style) {
  std::string text;
  for (const LeftOutScore& score : study.groups) {
    if (score.learnt_here_only.empty()) continue;
    const std::string line =
        fmt::format("  {} alone determines {}", score.group, fmt::join(score.learnt_here_only, "; "));
    text += wrapped(line, style.width, "    ") + "\n";
  }
  return text;
}

std::string constants_text(const LeaveOneOut& study, const TextStyle& style) {
  TextTable table({{"constant fitted to all", Align::left, false, 40},
                   {"sources"},
                   {"shipped"},
                   {"prior"},
                   {"fitted"},
                   {"± %"},
                   {"before ± %"}});
  for (const FittedToAll& c : study.constants)
    table.add({to_text(c.constant.id), fmt::format("{}", c.constant.sources), fmt::format("{:.4g}", c.constant.value),
               fmt::format("{:.4g}", c.constant.value * std::exp(c.constant.centre)),
               fmt::format("{:.4g}", c.constant.value * std::exp(c.fitted)), fmt::format("{:.0f}", c.posterior * 100),
               fmt::format("{:.0f}", c.constant.spread * 100)},
              is_learnt(c.posterior, c.constant.spread) ? Ink::strong : Ink::plain);
  return table.text(style);
}

}  // namespace

std::string leave_one_out_text(const LeaveOneOut& study, const TextStyle& style) {
  if (study.groups.empty()) return "No source has timed rows of tier A: nothing to leave out.\n";
  const std::string lessons = lessons_text(study, style);
  return scores_text(study, style) + (lessons.empty() ? "" : "\n" + lessons) + "\n" + constants_text(study, style);
}

std::string leave_one_out_markdown(const LeaveOneOut& study) {
  std::string text =
      "| source | rows | tuned | prior only | left out | with three rows |\n|---|---:|---:|---:|---:|---:|\n";
  for (const LeftOutScore& score : study.groups) text += fmt::format("| {} |\n", fmt::join(cells_of(score), " | "));
  if (study.groups.size() > 1) text += fmt::format("| {} |\n", fmt::join(cells_of(mean_of(study.groups)), " | "));
  return text;
}

}  // namespace trainyard
