// The errors that patterns are looked for in: one per row with a predicted and a measured time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/validation/validation.hpp"

namespace trainyard {

struct ResidualRow {
  std::string id;
  std::string group;
  double error = 0;                                // predicted / measured - 1
  double left = 0;                                 // of ln(predicted / measured), after the patterns found so far
  double weight = 1;                               // groups of ten rows and more weigh the same
  std::vector<std::optional<std::string>> values;  // by axis
};
using ResidualIndices = std::vector<std::size_t>;  // ascending

std::vector<ResidualRow> residual_rows(const std::vector<ValidatedRun>& rows);

struct ResidualMoments {
  int rows = 0;
  double mean = 0;       // weighted
  double deviation = 0;  // standard, at least the 2 % by which repeated measurements differ
  double gain = 0;       // weighted squared error that subtracting the mean removes
  double surprise() const;
};
ResidualMoments moments(const std::vector<ResidualRow>& rows, const ResidualIndices& of);

}  // namespace trainyard
