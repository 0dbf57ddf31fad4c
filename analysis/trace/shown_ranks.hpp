// Which ranks a timeline shows: `--trace-ranks all | stages | LIST`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/simulate.hpp"

namespace trainyard {

struct ShownRank {
  RankId rank;
  std::size_t list = 0;  // of Timeline::spans
  std::size_t kind = 0;  // of StepProgram::kinds
  int stands_for = 1;    // ranks that this one shows; 1 where every rank is shown or named
  friend bool operator==(const ShownRank&, const ShownRank&) = default;
};

// "stages": one per pipeline stage (of an engine that tells ranks of a stage apart, the one that ends last); "all":
// every rank; else numbers and ranges such as "0,8,16-23", ascending once each. Throws InputError, naming `where`, for
// what is none of these or names a rank that the job does not have.
std::vector<ShownRank> shown_ranks(std::string_view text, const SimulatedStep& step, const std::string& where);

}  // namespace trainyard
