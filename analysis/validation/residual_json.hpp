// Patterns of errors and the promised range as JSON; errors and shares are fractions.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/validation/coverage.hpp"
#include "analysis/validation/residual_patterns.hpp"

namespace trainyard {

nlohmann::ordered_json patterns_json(const std::vector<ResidualPattern>& patterns);
nlohmann::ordered_json axes_json(const std::vector<AxisValue>& values);
nlohmann::ordered_json coverage_json(const std::vector<ValidatedRun>& rows);

}  // namespace trainyard
