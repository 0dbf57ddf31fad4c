#include "analysis/job/reliability.hpp"

#include <cmath>

namespace trainyard {

std::optional<Seconds> mean_time_to_failure(const ReliabilityProfile& profile, int nodes) {
  constexpr double thousand_days = 1000.0 * 86400.0;
  const double failures = nodes * profile.failures_per_1000_node_days;
  if (failures <= 0) return std::nullopt;
  return Seconds(thousand_days / failures);
}

std::optional<int> spare_nodes(const ReliabilityProfile& profile, int nodes) {
  if (profile.spare_policy == SparePolicy::unlimited) return std::nullopt;
  return static_cast<int>(std::ceil(profile.spare_share * nodes));
}

double shortage_probability(int spares, Seconds between_losses, Seconds repair) {
  const double mean = repair / between_losses;
  double term = std::exp(-mean);
  double enough = term;
  for (int n = 1; n <= spares; ++n) {
    term *= mean / n;
    enough += term;
  }
  return std::fmax(0.0, 1.0 - enough);
}

std::string name(CheckpointMode mode) {
  switch (mode) {
    case CheckpointMode::synchronous:
      return "synchronous";
    case CheckpointMode::two_stage:
      return "two_stage";
  }
  return {};
}

std::string name(SparePolicy policy) {
  switch (policy) {
    case SparePolicy::pool:
      return "pool";
    case SparePolicy::unlimited:
      return "unlimited";
  }
  return {};
}

}  // namespace trainyard
