#pragma once

#include <cmath>

namespace trainyard {

// A number of a chart's data with as many digits as a chart can be zoomed into: 1e-5 of its unit.
inline double rounded(double value) {
  constexpr double digits = 1e5;
  return std::round(value * digits) / digits;
}

}  // namespace trainyard
