#include "topology/group_path.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <limits>

#include "topology/routes.hpp"

namespace trainyard {
namespace {

constexpr BytesPerSecond unlimited{std::numeric_limits<double>::infinity()};

// What the members inside one node (or NVLink domain) look like; folded over all of them to the worst.
struct Inside {
  int island = 1;   // members of the largest NVLink island
  int islands = 1;  // islands that meet over PCIe
  BytesPerSecond nvlink = unlimited;
  LinkClass pcie_link = LinkClass::pix;
  BytesPerSecond pcie = unlimited;
  BytesPerSecond pcie_alone = unlimited;

  void worsen(const Inside& o) {
    island = std::max(island, o.island);
    islands = std::max(islands, o.islands);
    nvlink = std::min(nvlink, o.nvlink);
    pcie_link = std::max(pcie_link, o.pcie_link);
    pcie = std::min(pcie, o.pcie);
    pcie_alone = std::min(pcie_alone, o.pcie_alone);
  }
};

bool directly_linked(const Routes& routes, int a, int b) { return routes.within_node(a, b).link == LinkClass::nvlink; }

// Moves the members NVLink-connected to locals[from] (within the group) next to it; returns the end of that island.
std::size_t gather_island(const Routes& routes, std::vector<int>& locals, std::size_t from) {
  std::size_t end = from + 1;
  const bool by_switch = routes.cluster().nvlink_switch;
  for (std::size_t next = from; next < end; ++next)
    for (std::size_t i = end; i < locals.size(); ++i) {
      const bool joined = by_switch ? routes.nvlink_island(locals[i]) == routes.nvlink_island(locals[next])
                                    : directly_linked(routes, locals[next], locals[i]);
      if (joined) std::swap(locals[i], locals[end++]);
    }
  return end;
}

// PCIe between the islands: the worst way to any member, since in a tree that bounds every pair.
void meet_over_pcie(const Routes& routes, const std::vector<int>& locals, Inside& inside) {
  for (std::size_t i = 1; i < locals.size(); ++i) {
    const Route& way = routes.over_pcie(locals.front(), locals[i]);
    inside.pcie_link = std::max(inside.pcie_link, way.link);
    inside.pcie = std::min(inside.pcie, way.bandwidth);
  }
  inside.pcie_alone = inside.pcie;
  if (inside.pcie_link != LinkClass::sys || routes.cluster().socket_bandwidth.value <= 0) return;
  // The sibling groups on the node's other GPUs cross the same socket link at the same time.
  const int siblings = std::max(1, routes.cluster().gpus_per_node() / static_cast<int>(locals.size()));
  inside.pcie = std::min(inside.pcie, routes.cluster().socket_bandwidth / siblings);
}

Inside inside_node(const Routes& routes, std::vector<int>& locals) {
  Inside inside;
  inside.islands = 0;
  for (std::size_t from = 0; from < locals.size();) {
    const std::size_t end = gather_island(routes, locals, from);
    const std::span<const int> island(locals.data() + from, end - from);
    const BytesPerSecond ring = routes.nvlink_bandwidth(island);
    if (island.size() > 1 && ring.value > 0) {
      inside.island = std::max(inside.island, static_cast<int>(island.size()));
      inside.nvlink = std::min(inside.nvlink, ring);
      ++inside.islands;
    } else {
      inside.islands += static_cast<int>(island.size());
    }
    from = end;
  }
  if (inside.islands > 1) meet_over_pcie(routes, locals, inside);
  return inside;
}

Inside inside_domain(const Routes& routes, std::vector<int>& locals) {
  Inside inside;
  if (locals.size() > 1) {
    inside.island = static_cast<int>(locals.size());
    inside.nvlink = routes.nvlink_bandwidth(locals);
  }
  return inside;
}

struct Seen {
  int host = 0;  // node, or NVLink domain of several nodes
  int local = 0;
  friend auto operator<=>(const Seen&, const Seen&) = default;
};

std::vector<Seen> by_host(const Routes& routes, std::span<const DeviceId> members) {
  std::vector<Seen> seen;
  seen.reserve(members.size());
  const Cluster& cluster = routes.cluster();
  for (DeviceId m : members) {
    assert(m.value >= 0 && m.value < cluster.world_size());
    const NodeId node = cluster.node_of(m);
    seen.push_back({routes.nvlink_joins_nodes() ? routes.nvlink_domain(node) : node.value, cluster.local_index(m)});
  }
  if (!std::is_sorted(seen.begin(), seen.end())) std::sort(seen.begin(), seen.end());
  return seen;
}

bool crosses_spine(const Routes& routes, std::span<const DeviceId> members) {
  const Cluster& cluster = routes.cluster();
  const DeviceId first = members.front();
  return std::any_of(members.begin(), members.end(), [&](DeviceId m) {
    return routes.leaf(cluster.node_of(m)) != routes.leaf(cluster.node_of(first)) ||
           !routes.stays_on_leaf(cluster.local_index(first), cluster.local_index(m));
  });
}

// What the NICs nearest to a member give it if only the members of its own node share them. `members` by node.
BytesPerSecond least_nic_rate(const Routes& routes, std::span<const DeviceId> members) {
  const Cluster& cluster = routes.cluster();
  BytesPerSecond least = unlimited;
  std::vector<int> users(cluster.node.nics.size());
  for (std::size_t first = 0, end = 0; first < members.size(); first = end) {
    std::fill(users.begin(), users.end(), 0);
    for (; end < members.size() && cluster.node_of(members[end]) == cluster.node_of(members[first]); ++end)
      for (int nic : routes.nearest_nics(cluster.local_index(members[end]))) ++users[static_cast<std::size_t>(nic)];
    for (std::size_t i = first; i < end; ++i) {
      BytesPerSecond rate{};
      for (int nic : routes.nearest_nics(cluster.local_index(members[i])))
        rate += cluster.nic_bandwidth / users[static_cast<std::size_t>(nic)];
      least = std::min(least, rate);
    }
  }
  return least;
}

// Tier::alone says nothing where it would repeat the bandwidth.
BytesPerSecond unless_same(BytesPerSecond alone, BytesPerSecond bandwidth) {
  return alone == bandwidth ? BytesPerSecond{} : alone;
}

Tier network_tier(const Routes& routes, std::span<const DeviceId> members, int hosts) {
  BytesPerSecond share = unlimited;
  for (DeviceId m : members) share = std::min(share, routes.nic_share(routes.cluster().local_index(m)));
  const bool spine = crosses_spine(routes, members);
  if (spine) share = share / routes.cluster().fabric.oversubscription;
  std::vector<DeviceId> by_node(members.begin(), members.end());
  if (!std::is_sorted(by_node.begin(), by_node.end())) std::sort(by_node.begin(), by_node.end());
  const BytesPerSecond alone = least_nic_rate(routes, by_node);
  return {hosts, spine ? LinkClass::spine : LinkClass::net, share, {}, false, unless_same(alone, share)};
}

}  // namespace

GroupPath group_path(const Routes& routes, std::span<const DeviceId> members) {
  GroupPath path;
  if (members.size() < 2) return path;
  const std::vector<Seen> seen = by_host(routes, members);
  Inside worst;
  int hosts = 0;
  std::vector<int> locals;
  std::vector<int> previous;
  for (std::size_t i = 0; i < seen.size();) {
    const int host = seen[i].host;
    locals.clear();
    for (; i < seen.size() && seen[i].host == host; ++i) locals.push_back(seen[i].local);
    ++hosts;
    if (locals == previous) continue;  // most groups look the same in every node
    previous = locals;
    worst.worsen(routes.nvlink_joins_nodes() ? inside_domain(routes, locals) : inside_node(routes, locals));
  }
  if (worst.island > 1)
    path.tiers.push_back({worst.island,
                          LinkClass::nvlink,
                          worst.nvlink,
                          {},
                          routes.cluster().nvlink_multicast && routes.cluster().nvlink_switch});
  if (worst.islands > 1)
    path.tiers.push_back(
        {worst.islands, worst.pcie_link, worst.pcie, {}, false, unless_same(worst.pcie_alone, worst.pcie)});
  if (hosts > 1) path.tiers.push_back(network_tier(routes, members, hosts));
  return path;
}

}  // namespace trainyard
