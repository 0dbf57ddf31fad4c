// The scores as one JSON object: schema_version, groups [...], macro {...}. Errors are fractions; a figure that does
// not exist for a group is null.
#pragma once

#include <string>
#include <vector>

#include "analysis/validation/score.hpp"

namespace trainyard {

std::string score_json(const std::vector<GroupScore>& groups);

}  // namespace trainyard
