// A plan as DeepSpeed's configuration (deepspeed.ai/docs/config-json) beside the arguments of Megatron-DeepSpeed.
#pragma once

#include <optional>
#include <string>

#include "models/model_shape.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard {

// Shell lines: a here-document that writes ds_config.json, then the arguments for the axes that are not DeepSpeed's
// own, then comment lines for what neither can say. Nothing where it cannot run the plan: ZeRO is zero1, zero2 and
// zero3, its pipeline (1f1b, one chunk per stage) goes no further than zero1. `plan` must be resolved.
std::optional<std::string> to_deepspeed_config(const Plan& plan, const Workload& workload, const ModelShape& model);

}  // namespace trainyard
