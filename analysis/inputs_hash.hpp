// One short text for everything a prediction depends on.
#pragma once

#include <string>

#include "sim/plan/job.hpp"

namespace trainyard {

// 16 hexadecimal digits; equal for equal model, cluster, workload, plan and profile constants.
std::string inputs_hash(const Job& job);

}  // namespace trainyard
