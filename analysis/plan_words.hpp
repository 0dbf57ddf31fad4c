// A plan as reports write it: one line, in the short words of Megatron's users.
#pragma once

#include <string>
#include <string_view>

#include "sim/plan/plan.hpp"

namespace trainyard {

std::string_view title(Axis axis);  // "tensor parallel"

// "tp 4 · pp 4 · vpp 5 · dp 4 · mbs 1 · gbs 128 · interleaved · zero1 · sequence_parallel"; cp, ep and vpp are left out
// at 1, the schedule without a pipeline, and whatever else is at Megatron's default.
// The plan's `placement` key as YAML; thousands of devices are left to the JSON.
std::string placement_setting(const Plan& plan);

std::string plan_line(const Plan& resolved);

}  // namespace trainyard
