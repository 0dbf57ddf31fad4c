// Predicted against measured step times as a picture: both axes logarithmic, one colour per group, lines at ±10 %.
// Readable on light and dark pages; no scripts.
#pragma once

#include <string>
#include <vector>

#include "analysis/validation/validation.hpp"

namespace trainyard {

// Of a large group an even choice is drawn. Rows without both times are left out.
std::string scatter_svg(const std::vector<ValidatedRun>& rows);

}  // namespace trainyard
