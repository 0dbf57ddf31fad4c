// Which rows are wrong together: the errors of step times grouped by what rows have in common, so that a wrong
// mechanism shows as a pattern. All errors here are e = predicted / measured − 1; the arithmetic is on ln(predicted /
// measured), with every split_group weighing the same.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/validation/validation.hpp"

namespace trainyard {

// What a row has on an axis ("tp" -> "8"); nothing where it was not published or there is no prediction.
struct ResidualAxis {
  std::string_view name;
  std::optional<std::string> (*value)(const ValidatedRun& row);
};
const std::vector<ResidualAxis>& residual_axes();

// One value of an axis over all groups.
struct AxisValue {
  std::string axis;
  std::string value;
  int rows = 0;
  int groups = 0;
  double mape = 0;
  double bias = 0;
  double within = 0;    // bias less that of each row's group: what the value itself may be to blame for
  double surprise = 0;  // |within| √rows / standard deviation inside the groups
  friend bool operator==(const AxisValue&, const AxisValue&) = default;
};
// By axis, and in each axis the most surprising first. Axes with one value only are left out.
std::vector<AxisValue> values_by_axis(const std::vector<ValidatedRun>& rows);

// Rows whose errors a common factor would explain: all of a group, or some values of one or two axes in one group, or
// values of an axis in several groups that agree.
struct ResidualPattern {
  std::string group;                   // empty: over several groups
  std::vector<std::string> condition;  // "tp 2 and 4", "hidden 8192"; empty: the whole group
  std::vector<std::string> ids;
  double mape = 0;
  double bias = 0;
  double beyond = 0;    // the bias that patterns found before it leave unexplained
  double surprise = 0;  // |beyond| √rows / standard deviation of what was left of the error before this pattern
  double share = 0;     // of the total squared error that a common factor on these rows removes
  friend bool operator==(const ResidualPattern&, const ResidualPattern&) = default;
};
std::string to_text(const ResidualPattern& pattern);  // "vtrain_multi, tp 2 and 4: −21 % over 14 rows"

// Greedy: the pattern that explains most, then the next one on what remains of the errors, while it is surprising (3 or
// more standard deviations, 3 rows or more) and removes at least 1 % of the total. The largest share comes first.
std::vector<ResidualPattern> residual_patterns(const std::vector<ValidatedRun>& rows, int most = 12);

}  // namespace trainyard
