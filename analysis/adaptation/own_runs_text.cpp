#include "analysis/adaptation/own_runs_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace trainyard {
namespace {

std::string error_text(Seconds predicted, Seconds measured) { return signed_percent(predicted / measured - 1.0); }

std::string lesson_text(const OwnRow& row) {
  if (!row.taught) return "–";
  return fmt::format("{} {}", to_text(*row.taught), signed_percent(std::expm1(row.taught_change)));
}

std::string rows_text(const OwnRuns& result, const TextStyle& style) {
  TextTable table({{"row", Align::left},
                   {"measured s"},
                   {"before s"},
                   {"error"},
                   {"after s"},
                   {"error"},
                   {"what it alone would teach", Align::left}});
  double before = 0, after = 0;
  for (const OwnRow& row : result.rows) {
    before += std::abs(row.before / row.measured - 1.0);
    after += std::abs(row.after / row.measured - 1.0);
    table.add({row.id, fmt::format("{:.4g}", row.measured.value), fmt::format("{:.4g}", row.before.value),
               error_text(row.before, row.measured), fmt::format("{:.4g}", row.after.value),
               error_text(row.after, row.measured), lesson_text(row)});
  }
  const auto count = static_cast<double>(result.rows.size());
  return table.text(style) + fmt::format("  mean |error| {} before, {} after, on the rows that taught it\n",
                                         percent(before / count), percent(after / count));
}

std::string value_of(const OwnConstant& c, double logarithm) {
  return fmt::format("{:.4g}{}", c.constant.value * std::exp(logarithm),
                     c.constant.unit.empty() ? "" : " " + c.constant.unit);
}

std::string moved_text(const OwnRuns& result, const TextStyle& style) {
  TextTable table(
      {{"constant", Align::left}, {"before"}, {"after"}, {"± %"}, {"before ± %"}, {"rows"}, {"", Align::left}});
  bool any = false;
  for (const OwnConstant& c : result.constants) {
    if (!c.moved) continue;
    any = true;
    table.add({to_text(c.constant.id), value_of(c, 0), value_of(c, c.adapted), fmt::format("{:.0f}", c.posterior * 100),
               fmt::format("{:.0f}", c.constant.spread * 100), fmt::format("{}", c.rows),
               c.learnt ? "learnt" : not_learnt_because(c)});
  }
  return any ? table.text(style) : "These rows move no constant.\n";
}

// Felt ones by what would determine them; the rest by name only.
std::string kept_text(const OwnRuns& result, const TextStyle& style) {
  std::string felt, others;
  for (const OwnConstant& c : result.constants) {
    if (c.moved) continue;
    if (c.rows > 0)
      felt += fmt::format("  {}: measure {}\n", to_text(c.constant.id), c.constant.determined_by);
    else
      others += fmt::format("{}{}", others.empty() ? "" : ", ", c.constant.id.constant);
  }
  std::string text;
  if (!felt.empty()) text += fmt::format("Not determined by these rows, kept as before\n{}", felt);
  if (!others.empty()) text += wrapped(fmt::format("  no row feels {}", others), style.width, "    ") + "\n";
  return text;
}

}  // namespace

std::string not_learnt_because(const OwnConstant& c) {
  if (c.learnt) return {};
  if (c.rows == 0) return fmt::format("no row feels it: measure {}", c.constant.determined_by);
  return fmt::format("mixed with others: measure {}", c.constant.determined_by);
}

std::string own_runs_text(const OwnRuns& result, const TextStyle& style) {
  std::string text;
  for (const std::string& note : result.notes) text += fmt::format("note: {}\n", note);
  if (result.rows.empty()) return text + "No row has both a measured step time and a prediction.\n";
  TextStyle wide = style;
  wide.width = std::max(style.width, 140);  // constants have long names
  return text + rows_text(result, wide) + "\n" + moved_text(result, wide) + "\n" + kept_text(result, wide);
}

}  // namespace trainyard
