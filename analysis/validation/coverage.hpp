// Does the promised range of step times hold: how many measured steps lie between the p10 and p90 of their stack, and
// what those two would have to be.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/validation/validation.hpp"

namespace trainyard {

struct StackCoverage {
  std::string stack;  // "all stacks" for the sum
  int rows = 0;       // with a measured and a predicted time
  int inside = 0;     // p10 <= measured / predicted <= p90
  double p10 = 0;     // as the profile has them; 0 for the sum
  double p90 = 0;
  double measured_p10 = 0;  // quantiles of measured / predicted over the rows
  double measured_p90 = 0;
  friend bool operator==(const StackCoverage&, const StackCoverage&) = default;
};

// By stack in alphabetical order; rows without a time or a prediction count nowhere.
std::vector<StackCoverage> coverage_by_stack(const std::vector<ValidatedRun>& rows);
// Over all rows; nothing if there is none.
std::optional<StackCoverage> coverage(const std::vector<ValidatedRun>& rows);

}  // namespace trainyard
