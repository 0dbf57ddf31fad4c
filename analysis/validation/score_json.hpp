// The scores as one JSON object: schema_version, groups [...], macro {...}. Errors are fractions; a figure that does
// not exist for a group is null.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/validation/score.hpp"

namespace trainyard {

// Of errors of any kind; null for nothing.
nlohmann::ordered_json errors_json(const std::optional<ErrorStatistics>& errors);
nlohmann::ordered_json score_object(const std::vector<GroupScore>& groups);
// An object as text; bytes that are no UTF-8 are replaced.
std::string json_text(const nlohmann::ordered_json& object);
std::string score_json(const std::vector<GroupScore>& groups);

}  // namespace trainyard
