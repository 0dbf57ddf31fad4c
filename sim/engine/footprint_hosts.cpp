#include "sim/engine/footprint_hosts.hpp"

#include <algorithm>
#include <cstddef>
#include <tuple>

#include "topology/nvlink_ring.hpp"

namespace trainyard {
namespace {

std::vector<DeviceId> ring_order(std::span<const DeviceId> members, const Routes& routes) {
  const auto place = [&](DeviceId d) {
    return std::tuple(routes.cluster().node_of(d), routes.nvlink_island(routes.cluster().local_index(d)), d);
  };
  std::vector<DeviceId> order(members.begin(), members.end());
  std::sort(order.begin(), order.end(), [&](DeviceId a, DeviceId b) { return place(a) < place(b); });
  return order;
}

std::vector<int> local_indices(const Host& host, const Cluster& cluster) {
  std::vector<int> locals;
  for (const DeviceId d : host.members) locals.push_back(cluster.local_index(d));
  return locals;
}

bool on_one_switch(const Host& host, const Routes& routes) {
  const Cluster& cluster = routes.cluster();
  if (!cluster.nvlink_switch || host.members.size() < 2) return false;
  const auto island = [&](DeviceId d) { return routes.nvlink_island(cluster.local_index(d)); };
  return std::all_of(host.members.begin(), host.members.end(),
                     [&](DeviceId d) { return island(d) == island(host.members.front()); });
}

std::vector<double> ring_shares(const Host& host, const Cluster& cluster) {
  if (cluster.nvlink_switch || host.members.size() < 3) return {};
  const std::vector<std::vector<int>> used = nvlink_ring_use(cluster.node, local_indices(host, cluster));
  std::vector<double> shares;
  for (const std::vector<int>& row : used) {
    int links = 0;
    for (const int n : row) links += n;
    if (links == 0) return {};
    for (const int n : row) shares.push_back(static_cast<double>(n) / links);
  }
  return shares;
}

// Members that use the same NICs, by their place in the ring order.
struct NicUsers {
  NodeId node;
  const std::vector<int>* nics = nullptr;
  std::vector<std::size_t> members;
};

std::vector<NicUsers> users_of_nics(const Host& host, const Routes& routes) {
  const Cluster& cluster = routes.cluster();
  std::vector<NicUsers> users;
  for (std::size_t i = 0; i < host.members.size(); ++i) {
    const NodeId node = cluster.node_of(host.members[i]);
    const std::vector<int>& nics = routes.nearest_nics(cluster.local_index(host.members[i]));
    auto same =
        std::find_if(users.begin(), users.end(), [&](const NicUsers& u) { return u.node == node && *u.nics == nics; });
    if (same == users.end()) same = users.insert(users.end(), {node, &nics, {}});
    same->members.push_back(i);
  }
  std::sort(users.begin(), users.end(),
            [](const NicUsers& a, const NicUsers& b) { return a.members.back() < b.members.back(); });
  return users;
}

// Every NIC takes an equal share. Of the GPUs with the same NICs the last ones in ring order send, and the first ones
// of the next NICs receive: a chain that starts behind an exit ends at it.
void find_lanes(Host& host, const Routes& routes) {
  const std::vector<NicUsers> users = users_of_nics(host, routes);
  std::size_t nics = 0;
  for (const NicUsers& u : users) nics += u.nics->size();
  for (std::size_t i = 0; i < users.size(); ++i) {
    for (const bool leaving : {true, false}) {
      const NicUsers& u = users[leaving ? i : (i + 1) % users.size()];
      const std::size_t used = std::min(u.members.size(), u.nics->size());
      const double share = static_cast<double>(u.nics->size()) / static_cast<double>(nics * used);
      const std::size_t first = leaving ? u.members.size() - used : 0;
      for (std::size_t k = first; k < first + used; ++k)
        (leaving ? host.exits : host.entries).push_back({host.members[u.members[k]], share});
    }
  }
}

void describe(Host& host, const Routes& routes) {
  host.switched = on_one_switch(host, routes);
  host.ring_share = ring_shares(host, routes.cluster());
}

// The same in another host whose members have the same places.
void copy_description(const Host& from, Host& to) {
  const int step = to.members.front().value - from.members.front().value;
  to.switched = from.switched;
  to.ring_share = from.ring_share;
  for (const Lane& lane : from.exits) to.exits.push_back({DeviceId(lane.member.value + step), lane.share});
  for (const Lane& lane : from.entries) to.entries.push_back({DeviceId(lane.member.value + step), lane.share});
}

bool alike(const Host& a, const Host& b, const Cluster& cluster) {
  const int step = b.members.front().value - a.members.front().value;
  if (a.members.size() != b.members.size() || step % cluster.gpus_per_node() != 0) return false;
  return std::equal(a.members.begin(), a.members.end(), b.members.begin(),
                    [&](DeviceId x, DeviceId y) { return y.value - x.value == step; });
}

}  // namespace

std::vector<Host> hosts_of(std::span<const DeviceId> members, const LinkMap& links) {
  std::vector<Host> hosts;
  for (const DeviceId d : ring_order(members, links.routes())) {
    if (hosts.empty() || !links.same_host(hosts.back().members.front(), d)) hosts.emplace_back();
    hosts.back().members.push_back(d);
  }
  for (std::size_t h = 0; h < hosts.size(); ++h) {
    if (h > 0 && alike(hosts[h - 1], hosts[h], links.routes().cluster())) {
      copy_description(hosts[h - 1], hosts[h]);
      continue;
    }
    describe(hosts[h], links.routes());
    if (hosts.size() > 1) find_lanes(hosts[h], links.routes());
  }
  return hosts;
}

std::vector<Lane> rails(const Host& host) {
  std::vector<Lane> lanes;
  for (const DeviceId d : host.members) lanes.push_back({d, 1.0 / static_cast<double>(host.members.size())});
  return lanes;
}

}  // namespace trainyard
