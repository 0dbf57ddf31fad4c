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

// Each link once, ascending; empty for less than two members, which are distinct. `algorithm` is
// CollectiveCost::algorithm, `outside` as LayerCollective, over S (negative: every byte to a uniformly drawn member).
// n members, k to the host (node, or NVLink domain of several nodes), N hosts. Bytes out of a member or its NICs:
//   ring              f S, f = 2(n-1)/n (all-reduce) or (n-1)/n, in channels: f S leaves a host in all, by as
//                     many NICs as its members have, in equal parts
//   tree              all-reduce, broadcast: a chain inside a host, NCCL's double binary tree across, half of S in each
//   nvls              (1 + 1/k) S out and in of every port (all-reduce); else 1/k one way and (k-1)/k S the other.
//                     Across hosts the fabric reduces: S/k out and in per member
//   nvls-tree         nvls inside, 2(N-1)/N S/k (all-reduce) or (N-1)/N S/k round every rail
//   hierarchical      the same with a ring inside
//   collnet-…         a ring inside, S/k out and in per member across
//   pat               (n-1)/n S, binomial trees over all members (gather, scatter)
//   pairwise          S/n to every other member
//   rail, two-hop     (k-1)/k S inside and `outside` S, or (n-k)/n S, over the own rail
//   neighbour         S to the next member in ring order, and so for every send-receive
// Anything else counts as ring, an all-to-all as pairwise. Sources: NCCL's topology search and trees; Thakur et al.
// 2005; DeepEP.
std::vector<LinkUse> collective_footprint(CollectiveKind kind, std::string_view algorithm, double outside,
                                          std::span<const DeviceId> members, const LinkMap& links);

std::vector<LinkUse> send_footprint(DeviceId from, DeviceId to, const LinkMap& links);

}  // namespace trainyard
