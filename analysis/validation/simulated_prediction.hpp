// The predictor that trainyard stands for: check the plan, simulate one step, read off its time and memory.
#pragma once

#include "analysis/validation/validation.hpp"

namespace trainyard {

// May be called from several threads at once; routes are built once per cluster. Skipped: what check_plan objects to
// ("infeasible: …", or what cannot be expressed yet), or that the simulation of this job failed.
Predictor simulated_prediction();

}  // namespace trainyard
