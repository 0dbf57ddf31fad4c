// Settings that are legal and yet not what they look like: without effect beside the others, or dropping tokens. For
// what cannot run see check_plan.
#pragma once

#include <string>
#include <vector>

#include "models/model_shape.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard {

// One line each, naming the key as users write it. Any plan is accepted.
std::vector<std::string> plan_warnings(const Plan& plan, const ModelShape& model, const Workload& workload);

}  // namespace trainyard
