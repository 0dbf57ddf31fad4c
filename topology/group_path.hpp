// What a communication group crosses, read from the cluster's graph.
#pragma once

#include <span>
#include <vector>

#include "sim/base/hardware.hpp"
#include "sim/base/ids.hpp"

namespace trainyard {

class Routes;

// Tiers innermost first; empty for a group of one. Uneven groups (a node holding more members than another) are
// described by the largest island, so that costs are never optimistic.
struct GroupPath {
  std::vector<Tier> tiers;
  friend bool operator==(const GroupPath&, const GroupPath&) = default;
};

// The path of the group of these devices, all distinct. The bandwidth of a net tier is each member's fair share when
// the sibling groups (the same group on the node's other GPUs) run at the same time: NICs nearest to the GPU, divided
// by the GPUs that share them. Tier::alone is the same without the siblings: NICs that only the group's own members
// share, the whole fabric, the undivided link between sockets.
GroupPath group_path(const Routes& routes, std::span<const DeviceId> members);

}  // namespace trainyard
