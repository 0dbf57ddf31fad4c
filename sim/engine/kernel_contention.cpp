#include "sim/engine/kernel_contention.hpp"

#include <algorithm>

namespace trainyard {

double slowdown_beside(const WorkPrice& price, const KernelsBeside& beside, int multiprocessors,
                       double memory_bandwidth) {
  constexpr double most = 0.5;
  if (price.duration.value <= 0 || multiprocessors <= 0 || memory_bandwidth <= 0) return 1.0;
  const double taken = std::min(most, static_cast<double>(beside.channels) / multiprocessors);
  const double bandwidth = std::min(most, beside.memory_rate / memory_bandwidth);
  const double matrix = (price.gemm + price.attention) / price.duration;
  const double memory = price.memory_bound / price.duration;
  return 1.0 + matrix * (1.0 / (1.0 - taken) - 1.0) + memory * (1.0 / (1.0 - bandwidth) - 1.0);
}

}  // namespace trainyard
