// A plan as the frameworks that can run it want it.
#pragma once

#include <string>
#include <vector>

#include "analysis/sweep/answer.hpp"
#include "models/model_shape.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard {

// Megatron-LM always; torchtitan and DeepSpeed where they have the plan's data parallelism and schedule. `plan` must be
// resolved.
std::vector<LaunchArguments> launch_arguments(const Plan& plan, const Workload& workload, const ModelShape& model);

// `trainyard simulate` of one plan by itself; `settings` as in RankedPlan.
LaunchArguments simulate_arguments(const std::vector<std::string>& settings);

}  // namespace trainyard
