// How fast a ring over NVLinked GPUs can be when the links are point to point.
#pragma once

#include <span>
#include <vector>

#include "topology/node_topology.hpp"

namespace trainyard {

// Number of NVLinks that each member drives in one direction when as many edge-disjoint rings as possible run over the
// members at once, as NCCL's channels do. A ring uses one link of each member in each direction, so r rings driven both
// ways give 2r links; two members simply use all links between them. 0 if no NVLink ring visits all members.
// The search for rings is exact up to 8 members in practice (it stops after a fixed effort and then may find fewer);
// beyond 8, only an all-to-all island counts, whose complete graph decomposes into rings.
int nvlink_ring_links(const NodeTopology& node, std::span<const int> members);

// Of those links the ones between every two members, row by row; all 0 without a ring. Rows add up to
// nvlink_ring_links, but for more than 8 members, where all links between two members count.
std::vector<std::vector<int>> nvlink_ring_use(const NodeTopology& node, std::span<const int> members);

// nvlink_ring_links of every subset of up to 8 GPUs, indexed by bit mask.
std::vector<int> nvlink_ring_table(const NodeTopology& node);

}  // namespace trainyard
