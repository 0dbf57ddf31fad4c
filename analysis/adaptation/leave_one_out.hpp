// How well would a source be predicted that nobody had seen? For each source in turn the constants start from what was
// believed before any training step, are fitted to all other sources, and predict the one left out. Rows that share a
// publication are left out together, whichever group they are scored in.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "analysis/adaptation/adaptation_rows.hpp"
#include "analysis/validation/score.hpp"

namespace trainyard {

struct LeftOutScore {
  std::string group;
  int rows = 0;                               // of tier A (or of no tier) with a measured and a predicted time
  ErrorStatistics tuned;                      // with the profiles as they are
  ErrorStatistics prior;                      // with the constants as believed before any training step
  ErrorStatistics left_out;                   // fitted to the other sources
  std::optional<ErrorStatistics> three_rows;  // and to three rows of its own, over the remaining rows of each draw
  std::vector<std::string> learnt_here_only;  // constants that the other sources leave as believed
  friend bool operator==(const LeftOutScore&, const LeftOutScore&) = default;
};

// A constant after a fit to all sources: what the profiles could be set to.
struct FittedToAll {
  AdaptableConstant constant;
  double fitted = 0;     // ln(fitted / value)
  double posterior = 0;  // spread after the fit
  friend bool operator==(const FittedToAll&, const FittedToAll&) = default;
};

struct LeaveOneOut {
  std::vector<LeftOutScore> groups;
  std::vector<FittedToAll> constants;  // that any row feels
  friend bool operator==(const LeaveOneOut&, const LeaveOneOut&) = default;
};

struct LeaveOneOutOptions {
  unsigned threads = 1;
  int rows_per_source = 45;  // of a larger source an evenly spread choice is fitted; all rows are scored
  int draws = 4;             // of three rows
  std::function<void(const std::string&)> progress = [](const std::string&) {};
};

LeaveOneOut leave_one_out(const AdaptationProblem& problem, const Predictor& predictor,
                          const LeaveOneOutOptions& options);

// Unweighted means over groups; worst over all. Not for an empty list.
LeftOutScore mean_of(const std::vector<LeftOutScore>& groups);

}  // namespace trainyard
