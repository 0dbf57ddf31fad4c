// What a collective or a send puts on every link it crosses, by the algorithm that NCCL runs.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "models/operators.hpp"
#include "topology/link_map.hpp"

namespace trainyard {

// Bytes on a link over the whole collective, per byte of NCCL's message size S.
struct LinkUse {
  int link = 0;
  double bytes = 0;  // > 0
  friend bool operator==(const LinkUse&, const LinkUse&) = default;
};

// Each link once, ascending. `algorithm` is CollectiveCost::algorithm; `outside`: as LayerCollective, over S (negative:
// every byte to a uniformly drawn member). Ring, tree: 2(n-1)/n S (all-reduce), (n-1)/n S (gather, scatter), spread
// over the channels that leave a node by different NICs; NVLS: S out and S/k in of every port, and so on.
std::vector<LinkUse> collective_footprint(CollectiveKind kind, std::string_view algorithm, double outside,
                                          std::span<const DeviceId> members, const LinkMap& links);

std::vector<LinkUse> send_footprint(DeviceId from, DeviceId to, const LinkMap& links);

}  // namespace trainyard
