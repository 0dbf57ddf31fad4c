// Why a plan is slower than another: the terms of the step in which they differ, beside the settings behind them.
#pragma once

#include <string>
#include <vector>

#include "analysis/step_result.hpp"

namespace trainyard {

struct TimedPlan {
  Plan plan;  // resolved
  std::string line;
  Seconds step_time{};
  Breakdown breakdown;  // sums to the step time
  Bytes peak{};
};

// Do they differ in more than overlap switches, recomputation or placement? Two that do not are one choice to a reader.
bool cut_alike(const Plan& a, const Plan& b);

// First by how much `other` is slower than `best`, then its terms by size ("pipeline bubble 420.0 ms longer (pp 8 vpp 3
// against pp 4 vpp 6)"; its settings come first), then memory. Small terms are left out.
std::vector<std::string> why_it_loses(const TimedPlan& best, const TimedPlan& other);

}  // namespace trainyard
