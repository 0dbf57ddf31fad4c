// One short text for everything the answer of a sweep depends on.
#pragma once

#include <string>
#include <vector>

#include "analysis/sweep/plan_space.hpp"
#include "sim/plan/job.hpp"

namespace trainyard {

// 16 hexadecimal digits; equal for equal inputs (analysis/inputs_hash.hpp), axes, conditions and number of best plans.
std::string sweep_hash(const Job& job, const SpaceAxes& axes, const std::vector<std::string>& where, int top);

}  // namespace trainyard
