// The `space` of a sweep file, beside the `plan` that fixes settings.
#pragma once

#include <optional>

#include "analysis/sweep/plan_space.hpp"
#include "sim/base/yaml_reader.hpp"
#include "sim/plan/job.hpp"

namespace trainyard {

// All axes but `where`; both values must be mappings. Throws InputError.
SpaceAxes read_space(const std::optional<YamlValue>& space, const std::optional<YamlValue>& plan, const Job& job);

}  // namespace trainyard
