// Statistics of repeated time measurements: pure functions of the samples.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace microbench {

// The value at a fraction (0 … 1) of the sorted samples, with linear interpolation between neighbours.
inline double quantile(const std::vector<double>& sorted, double fraction) {
  const double position = fraction * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// Standard error of the mean over the mean, without the slowest and fastest tenth: one interrupted sample out of a
// hundred must not keep a measurement from ending.
inline double relative_standard_error(const std::vector<double>& sorted) {
  const size_t cut = sorted.size() / 10;
  const size_t kept = sorted.size() - 2 * cut;
  if (kept < 2) return HUGE_VAL;
  double mean = 0;
  for (size_t i = cut; i < cut + kept; ++i) mean += sorted[i];
  mean /= static_cast<double>(kept);
  double squares = 0;
  for (size_t i = cut; i < cut + kept; ++i) squares += (sorted[i] - mean) * (sorted[i] - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(kept - 1));
  return mean > 0 ? deviation / std::sqrt(static_cast<double>(kept)) / mean : HUGE_VAL;
}

}  // namespace microbench
