// What the formulas of collectives and sends share: the kinds of links and the shares of their nominal rates.
#pragma once

#include <string_view>
#include <vector>

#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/hardware.hpp"

namespace trainyard {

constexpr bool crosses_network(LinkClass link) { return link == LinkClass::net || link == LinkClass::spine; }
constexpr bool is_nvlink(LinkClass link) { return link == LinkClass::nvlink || link == LinkClass::c2c; }

struct CollectiveSetting {
  CollectiveKind kind;
  Bytes size;
  const std::vector<Tier>& tiers;
  const DeviceProfile& device;
  const NetworkProfile& network;
  int ranks;
  Bytes outside{-1.0};  // see collective_cost()
};

// A transfer between pairs, and the class of the link that holds it up.
struct DirectTransfer {
  Seconds time{};
  LinkClass slowest = LinkClass::nvlink;
  std::string_view algorithm = {};
  Seconds latency{};
};
DirectTransfer all_to_all(const CollectiveSetting& setting);
DirectTransfer neighbour_exchange(const CollectiveSetting& setting);

}  // namespace trainyard
