// A communication group as its hosts: what sits together on NVLink or PCIe, and how bytes leave it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "sim/base/ids.hpp"
#include "topology/link_map.hpp"

namespace trainyard {

// The part of a collective that leaves or enters a host at one member.
struct Lane {
  DeviceId member{};
  double share = 1.0;
};

// The members in one node, or in one NVLink domain of several nodes.
struct Host {
  std::vector<DeviceId> members;  // in ring order: node, NVLink island, local index
  bool switched = false;          // all on one NVSwitch
  // Point-to-point NVLinks of which rings over all members can be made: the share of a member's bytes on its links to
  // every other one, row by row. Empty where the ring order decides.
  std::vector<double> ring_share;
  // Where the channels of a ring leave the host, and where those of the host before it enter: as many NICs as the
  // members have, each with an equal share; shares add up to 1. Empty for a group in one host.
  std::vector<Lane> exits;
  std::vector<Lane> entries;
};

std::vector<Host> hosts_of(std::span<const DeviceId> members, const LinkMap& links);

// One lane per member: every member talks to its like in the other hosts.
std::vector<Lane> rails(const Host& host);

// Splits the lanes of two hosts until they match, in order: visit(from, to, share), shares adding up to 1.
template <class Visit>
void couple(std::span<const Lane> from, std::span<const Lane> to, Visit visit) {
  constexpr double nothing = 1e-12;  // what rounding leaves of a share
  double left = from.empty() ? 0.0 : from.front().share;
  double free = to.empty() ? 0.0 : to.front().share;
  for (std::size_t i = 0, j = 0; i < from.size() && j < to.size();) {
    const double share = std::min(left, free);
    if (share > nothing) visit(from[i].member, to[j].member, share);
    left -= share;
    free -= share;
    if (left <= nothing && ++i < from.size()) left = from[i].share;
    if (free <= nothing && ++j < to.size()) free = to[j].share;
  }
}

}  // namespace trainyard
