// Two constants of a network profile, an efficiency and a latency, as measured collectives want them: see
// fit_collectives.hpp.
#pragma once

#include <cstddef>
#include <vector>

#include "analysis/calibration/measurements.hpp"
#include "models/profile.hpp"

namespace trainyard {

inline constexpr std::size_t enough_for_network = 3;   // samples that must tell a constant
inline constexpr double least_network_latency = 1e-6;  // s, that a network has at least

// The two constants of a class of collectives, as the times are linear in them piece by piece.
struct NetworkPair {
  double slowness = 1;  // 1 / efficiency
  double latency = 0;   // s per step or per peer
};

// Which constants of the network a class of collectives sets.
struct NetworkTarget {
  const char* what;
  const char* efficiency_name;
  const char* latency_name;
  const char* large;  // what to measure for either
  const char* small;
  double NetworkProfile::*efficiency;
  Seconds NetworkProfile::*latency;
};

struct NetworkSetting {
  const DeviceProfile& device;
  const NetworkProfile& base;
  BytesPerSecond nvlink;
  BytesPerSecond nic;
  const NetworkTarget& target;
};

// Which of the two are fitted, the other one being the base's.
struct NetworkFree {
  bool slowness = true;
  bool latency = true;
  friend bool operator==(const NetworkFree&, const NetworkFree&) = default;
};

struct FoundNetwork {
  NetworkPair pair;
  NetworkFree free;
};

Seconds predicted_over_nodes(const CollectiveSample& sample, const NetworkPair& pair, const NetworkSetting& setting);

// A constant that is not allowed, or that too few samples tell, keeps the base's value and is not free in the result.
FoundNetwork found_network(const std::vector<CollectiveSample>& samples, const NetworkSetting& setting,
                           const NetworkFree& allowed = {});

}  // namespace trainyard
