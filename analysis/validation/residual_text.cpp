#include "analysis/validation/residual_text.hpp"

#include <fmt/format.h>

namespace trainyard {
namespace {

constexpr double least_surprise = 2;  // standard deviations, of a value that is worth a line
constexpr int most_values = 4;        // of an axis
constexpr int fewest_rows = 3;        // of a value that is worth a line
constexpr double least_share = 0.7;   // of measured steps that should lie in p10..p90
constexpr double most_share = 0.9;

std::string signed_number(double fraction) { return fmt::format("{:+.1f}", fraction * 100); }

std::string where(const ResidualPattern& pattern) {
  std::string text = pattern.group.empty() ? "several groups" : pattern.group;
  for (const std::string& condition : pattern.condition) text += fmt::format(", {}", condition);
  return text;
}

double left_of(const std::vector<ResidualPattern>& patterns) {
  double left = 1;
  for (const ResidualPattern& pattern : patterns) left -= pattern.share;
  return left;
}

std::string share_text(double inside, double rows) { return fmt::format("{:.0f} %", 100.0 * inside / rows); }

}  // namespace

std::string patterns_text(const std::vector<ResidualPattern>& patterns, const TextStyle& style) {
  if (patterns.empty()) return "No rows err together beyond chance.\n";
  TextTable table({{"share %"},
                   {"rows"},
                   {"bias %"},
                   {"beyond others %"},
                   {"MAPE %"},
                   {"surprise"},
                   {"rows that err together", Align::left}});
  for (const ResidualPattern& p : patterns)
    table.add({fmt::format("{:.1f}", p.share * 100), fmt::format("{}", p.ids.size()), signed_number(p.bias),
               signed_number(p.beyond), fmt::format("{:.1f}", p.mape * 100), fmt::format("{:.0f}", p.surprise),
               where(p)});
  return "What is wrong together, by its share of the squared error (groups of ten rows and more weigh the same)\n" +
         table.text(style) + fmt::format("  {:.1f} % of the squared error is in no pattern\n", left_of(patterns) * 100);
}

std::string patterns_markdown(const std::vector<ResidualPattern>& patterns) {
  std::string text =
      "| share of squared error % | rows | bias % | MAPE % | rows that err together |\n|---:|---:|---:|---:|---|\n";
  for (const ResidualPattern& p : patterns)
    text += fmt::format("| {:.1f} | {} | {} | {:.1f} | {} |\n", p.share * 100, p.ids.size(), signed_number(p.bias),
                        p.mape * 100, where(p));
  return text;
}

std::string axes_text(const std::vector<AxisValue>& values, const TextStyle& style) {
  TextTable table({{"axis", Align::left},
                   {"value", Align::left, false, 28},
                   {"rows"},
                   {"groups"},
                   {"MAPE %"},
                   {"bias %"},
                   {"within groups %"},
                   {"surprise"}});
  std::string axis;
  int shown = 0;
  for (const AxisValue& v : values) {
    if (v.axis != axis) shown = 0;
    axis = v.axis;
    if (v.rows < fewest_rows || v.surprise < least_surprise || ++shown > most_values) continue;
    table.add({shown == 1 ? v.axis : "", v.value, fmt::format("{}", v.rows), fmt::format("{}", v.groups),
               fmt::format("{:.1f}", v.mape * 100), signed_number(v.bias), signed_number(v.within),
               fmt::format("{:.1f}", v.surprise)});
  }
  return "Errors by what rows have in common, where it is surprising; within groups: the bias less that of each row's "
         "group\n" +
         table.text(style);
}

std::string coverage_sentence(const std::vector<ValidatedRun>& rows) {
  const std::optional<StackCoverage> all = coverage(rows);
  if (!all) return {};
  const double share = static_cast<double>(all->inside) / all->rows;
  const char* verdict = share < least_share  ? ": the range is too narrow, see --spread"
                        : share > most_share ? ": the range is too wide, see --spread"
                                             : "";
  return fmt::format("{} of {} measured steps ({}) lie within the predicted p10 to p90 (70 to 90 % should){}\n",
                     all->inside, all->rows, share_text(all->inside, all->rows), verdict);
}

std::string coverage_table(const std::vector<ValidatedRun>& rows, const TextStyle& style) {
  TextTable table({{"stack", Align::left}, {"rows"}, {"inside"}, {"p10"}, {"p90"}, {"measured p10"}, {"measured p90"}});
  for (const StackCoverage& c : coverage_by_stack(rows))
    table.add({c.stack, fmt::format("{}", c.rows), share_text(c.inside, c.rows), fmt::format("{:.3f}", c.p10),
               fmt::format("{:.3f}", c.p90), fmt::format("{:.3f}", c.measured_p10),
               fmt::format("{:.3f}", c.measured_p90)});
  if (const std::optional<StackCoverage> all = coverage(rows))
    table.add({all->stack, fmt::format("{}", all->rows), share_text(all->inside, all->rows), "", "",
               fmt::format("{:.3f}", all->measured_p10), fmt::format("{:.3f}", all->measured_p90)},
              Ink::strong);
  return "Measured over predicted step time against step_time_p10 and step_time_p90 of the stack\n" + table.text(style);
}

}  // namespace trainyard
