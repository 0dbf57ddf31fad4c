// Which GPU each rank runs on.
#pragma once

#include <array>
#include <vector>

#include "sim/base/ids.hpp"
#include "sim/plan/plan.hpp"
#include "topology/cluster.hpp"

namespace trainyard {

// packed    rank r on device r: nodes fill up in rank order.
// scatter   consecutive ranks on different nodes, round-robin: rank r on node r % nodes, local index r / nodes.
// rail      every node holds one box of the rank grid, so that a group occupies the same local indices (rails) on every
//           node it touches. The box takes from each axis, fastest first, the greatest common divisor of the axis size
//           and the GPUs still free in the node. Equal to packed wherever the fastest axes fill whole nodes; differs
//           where packed would shift peers to other rails (8-GPU nodes, tp 2, dp 6, pp 4).
// explicit  ranks fill the listed local indices of node 0 in the order given, then those of node 1 …
// devices   rank r on the r-th device of the list.
// optimize  packed, until analysis/placement has put one of the above in its place.
//
// axis_sizes: sizes of the dense grid's axes in rank order, fastest first; their product is the world size.
// Plan and cluster must have passed check_plan.
std::vector<DeviceId> place(const Plan& plan, const std::array<int, 4>& axis_sizes, const Cluster& cluster);

}  // namespace trainyard
