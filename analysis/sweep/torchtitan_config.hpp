// A plan as torchtitan's job configuration, in the TOML of its releases up to 0.2 (torchtitan/config/job_config.py).
#pragma once

#include <optional>
#include <string>

#include "models/model_shape.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard {

// The tables [parallelism], [training] and [activation_checkpoint]; what torchtitan has no option for follows as
// comment lines. Nothing where torchtitan cannot run the plan: it shards fully (fsdp, hsdp, zero3) or keeps whole
// copies (ddp, which it has not together with other axes), and has the pipeline schedules of PyTorch. `plan` must be
// resolved.
std::optional<std::string> to_torchtitan_config(const Plan& plan, const Workload& workload, const ModelShape& model);

}  // namespace trainyard
