// Adapting the shipped constants to somebody's own measured steps. The centre of every constant is its shipped value,
// so that few rows move it little and what they cannot determine stays where it was.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/adaptation/adaptation_rows.hpp"

namespace trainyard {

struct OwnRow {
  std::string id;
  Seconds measured{};
  Seconds before{};  // predicted with the profile as it was
  Seconds after{};
  std::optional<ConstantId> taught;  // of the constants that moved, the one that this row alone would move most
  double taught_change = 0;          // of its logarithm, by this row alone
  friend bool operator==(const OwnRow&, const OwnRow&) = default;
};

struct OwnConstant {
  AdaptableConstant constant;
  double adapted = 0;    // ln(adapted / value)
  double posterior = 0;  // spread after the fit
  int rows = 0;          // whose prediction it changes
  bool learnt = false;   // moved, and narrowed to less than 0.8 of what was believed
  bool moved = false;    // free to move: never more of these than rows; the others keep their value
  friend bool operator==(const OwnConstant&, const OwnConstant&) = default;
};

// The parts of a profile that rows were predicted with, and how many rows.
struct OwnProfile {
  std::string device;
  std::string network;
  std::string stack;
  int rows = 0;
  std::string gpu;     // the names by which the rows' cluster asks for the first two
  std::string fabric;  // empty: single node
  friend bool operator==(const OwnProfile&, const OwnProfile&) = default;
};

struct OwnRuns {
  std::vector<OwnRow> rows;
  std::vector<OwnConstant> constants;  // of the rows' profiles, learnt ones first
  std::vector<OwnProfile> profiles;    // the most frequent first
  std::vector<std::string> notes;      // rows that could not be used, and why; rows that are hardly credible
  friend bool operator==(const OwnRuns&, const OwnRuns&) = default;
};

// Rows that cannot be predicted are named in the notes. No usable row gives an answer without rows.
OwnRuns adapt_to_runs(const AdaptationProblem& problem, const Predictor& predictor, unsigned threads);

}  // namespace trainyard
