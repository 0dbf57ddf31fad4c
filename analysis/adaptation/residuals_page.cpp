#include "analysis/adaptation/residuals_page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/adaptation/leave_one_out_text.hpp"
#include "analysis/validation/residual_text.hpp"
#include "analysis/validation/score_text.hpp"

namespace trainyard {
namespace {

constexpr int most_patterns = 20;

std::string scores_section(const std::vector<ValidatedRun>& rows) {
  return fmt::format(
      "## Scores with the shipped profiles\n\n{}\n{}\n"
      "These rows were in view when the mechanisms were chosen. The next section says what to expect without that.\n\n",
      score_markdown(score_groups(rows)), coverage_sentence(rows));
}

std::string study_section(const LeaveOneOut& study) {
  if (study.groups.empty()) return {};
  std::string text = fmt::format(
      "## A source that nobody has seen\n\n"
      "MAPE % (bias %) of step times. *Prior only*: every constant as believed before any training step. *Left out*: "
      "constants fitted to\nall other sources, from those priors. *With three rows*: the same and three rows of the "
      "source itself, scored on its other rows,\nmean over several draws. The mechanisms themselves were found with "
      "all "
      "sources in view.\n\n{}\n",
      leave_one_out_markdown(study));
  std::string alone;
  for (const LeftOutScore& score : study.groups)
    if (!score.learnt_here_only.empty())
      alone += fmt::format("- {}: {}\n", score.group, fmt::join(score.learnt_here_only, "; "));
  if (!alone.empty()) text += fmt::format("Constants that one source alone determines:\n\n{}\n", alone);
  return text;
}

std::string patterns_section(const std::vector<ValidatedRun>& rows) {
  const std::vector<ResidualPattern> patterns = residual_patterns(rows, most_patterns);
  std::string text =
      "## What remains wrong, largest first\n\n"
      "Rows that err together, found one after the other on what the earlier ones leave; shares are of the squared "
      "error, each group\nof ten rows and more weighing the same.\n\n";
  if (patterns.empty()) return text + "No rows err together beyond chance.\n\n";
  double left = 1;
  for (const ResidualPattern& pattern : patterns) {
    text += fmt::format("- {}; {:.1f} % of the squared error\n", to_text(pattern), pattern.share * 100);
    left -= pattern.share;
  }
  return text + fmt::format("- in no pattern: {:.1f} % of the squared error\n\n", left * 100);
}

std::string list_of(std::vector<FittedToAll> constants, int sources) {
  std::sort(constants.begin(), constants.end(),
            [](const FittedToAll& a, const FittedToAll& b) { return a.constant.id < b.constant.id; });
  std::string text;
  for (const FittedToAll& c : constants)
    if (c.constant.sources == sources)
      text += fmt::format("- {}: {:.4g} ±{:.0f} %; fitted to all sources {:.4g} ±{:.0f} %; determined by {}\n",
                          to_text(c.constant.id), c.constant.value, c.constant.spread * 100,
                          c.constant.value * std::exp(c.fitted), c.posterior * 100, c.constant.determined_by);
  return text.empty() ? "- none\n" : text;
}

std::string provenance_section(const std::vector<AdaptableConstant>& constants, const LeaveOneOut& study) {
  std::array<int, 4> count{};  // judgement, 1, 2, 3 and more
  for (const AdaptableConstant& c : constants) ++count[static_cast<std::size_t>(std::clamp(c.sources, 0, 3))];
  return fmt::format(
      "## Where the constants come from\n\n"
      "Of the {} constants that training steps can correct and that these rows' profiles hold, {} have three or more "
      "independent\nsources, {} two, {} one and {} are judgement. The spread (±) is how far a constant is believed to "
      "be "
      "from its value. Below are\nthose that the rows feel, with what a fit to all sources would make of them.\n\n"
      "One source:\n\n{}\nJudgement:\n\n{}",
      constants.size(), count[3], count[2], count[1], count[0], list_of(study.constants, 1),
      list_of(study.constants, 0));
}

}  // namespace

std::string residuals_page(const std::vector<ValidatedRun>& rows, const LeaveOneOut& study,
                           const std::vector<AdaptableConstant>& constants, const std::string& picture) {
  return fmt::format(
             "# Predicted against measured\n\n"
             "Written by `trainyard validate RUNS.csv --page FOLDER`; edits are lost.\n\n"
             "![Predicted against measured step times; lines at ±10 %]({})\n\n",
             picture) +
         scores_section(rows) + study_section(study) + patterns_section(rows) + provenance_section(constants, study);
}

}  // namespace trainyard
