#include "topology/routes.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <optional>

#include "topology/graph.hpp"
#include "topology/node_groups.hpp"
#include "topology/nvlink_ring.hpp"

namespace trainyard {
namespace {

constexpr std::size_t most_ring_gpus = 8;

Route route_of(const GraphPath& path) { return {path.link, path.bandwidth, path.hops, path.link == LinkClass::spine}; }

// All ways between the GPUs of a node, row by row.
std::vector<Route> gpu_routes(const ClusterGraph& graph, std::size_t gpus) {
  std::vector<Route> routes(gpus * gpus);
  for (std::size_t a = 0; a < gpus; ++a) {
    const std::vector<std::optional<GraphPath>> paths = best_paths(graph, a);
    for (std::size_t b = 0; b < gpus; ++b)
      if (paths[b]) routes[a * gpus + b] = route_of(*paths[b]);
  }
  return routes;
}

}  // namespace

Routes::Routes(const Cluster& cluster) : cluster_(cluster) {
  assert(!cluster_.node.gpus.empty());
  read_node();
  read_nics();
  read_fabric();
}

void Routes::read_node() {
  const std::size_t gpus = cluster_.node.gpus.size();
  local_ = gpu_routes(node_graph(cluster_), gpus);
  pcie_ = gpu_routes(node_graph(cluster_, WithNvlink::no), gpus);
  island_.assign(gpus, 0);
  nvlinks_.assign(gpus, 0);
  const std::vector<NvlinkIsland> islands = nvlink_islands(cluster_.node);
  for (std::size_t i = 0; i < islands.size(); ++i)
    for (int gpu : islands[i].gpus) island_[static_cast<std::size_t>(gpu)] = static_cast<int>(i);
  for (std::size_t a = 0; a < gpus; ++a)
    for (std::size_t b = 0; b < gpus; ++b)
      if (a != b) nvlinks_[a] = std::max(nvlinks_[a], cluster_.node.relations[a][b].nvlinks);
  if (!cluster_.nvlink_switch && gpus <= most_ring_gpus) ring_links_ = nvlink_ring_table(cluster_.node);
  nvlink_joins_nodes_ = cluster_.nodes_per_nvlink_domain > 1 && cluster_.nvlink_switch && islands.size() == 1;
}

void Routes::read_nics() {
  const std::size_t gpus = cluster_.node.gpus.size();
  nearest_nics_ = nics_in_use(cluster_.node);
  nic_share_.assign(gpus, BytesPerSecond{});
  to_nic_.assign(gpus, Route{});
  std::vector<int> users(cluster_.node.nics.size(), 0);
  for (const std::vector<int>& nics : nearest_nics_)
    for (int nic : nics) ++users[static_cast<std::size_t>(nic)];
  const ClusterGraph graph = node_graph(cluster_, WithNvlink::no);
  for (std::size_t gpu = 0; gpu < gpus; ++gpu) {
    for (int nic : nearest_nics_[gpu]) nic_share_[gpu] += cluster_.nic_bandwidth / users[static_cast<std::size_t>(nic)];
    if (nearest_nics_[gpu].empty()) continue;
    const auto nic = gpus + static_cast<std::size_t>(nearest_nics_[gpu].front());
    if (const std::optional<GraphPath> path = best_paths(graph, gpu)[nic]) to_nic_[gpu] = route_of(*path);
  }
}

void Routes::read_fabric() {
  const int gpus = cluster_.gpus_per_node();
  const int nics = static_cast<int>(cluster_.node.nics.size());
  on_leaf_.assign(static_cast<std::size_t>(gpus * gpus), true);
  if (cluster_.nodes == 1 || nics == 0) return;
  const FabricGraph fabric = fabric_graph(cluster_);
  const std::vector<std::optional<GraphPath>> from_nic0 = best_paths(fabric.graph, 0);
  const auto to = [&](int node, int nic) { return from_nic0[static_cast<std::size_t>(node * nics + nic)]; };
  if (fabric.has_neighbour) same_leaf_ = route_of(*to(1, 0));
  if (fabric.has_remote) other_leaf_ = route_of(*to(2, 0));
  const bool rails_part = fabric.has_neighbour && nics > 1 && to(1, 1)->link == LinkClass::spine;
  if (!rails_part) return;
  if (!fabric.has_remote) other_leaf_ = route_of(*to(1, 1));
  // NVLink first, then the rail of the receiver (NCCL's PXN) also avoids the spine.
  for (int a = 0; a < gpus; ++a)
    for (int b = 0; b < gpus; ++b) {
      bool reachable = share_a_nic(a, b);
      for (int proxy = 0; proxy < gpus && !reachable; ++proxy)
        reachable = nvlink_island(proxy) == nvlink_island(a) && share_a_nic(proxy, b);
      on_leaf_[cell(a, b)] = reachable;
    }
}

bool Routes::share_a_nic(int a, int b) const {
  const std::vector<int>& of_a = nearest_nics(a);
  const std::vector<int>& of_b = nearest_nics(b);
  return std::any_of(of_a.begin(), of_a.end(),
                     [&](int nic) { return std::find(of_b.begin(), of_b.end(), nic) != of_b.end(); });
}

Route Routes::across_nodes(int a, int b, const Route& fabric) const {
  const Route& out = to_nic_[static_cast<std::size_t>(a)];
  const Route& in = to_nic_[static_cast<std::size_t>(b)];
  // The fabric's own links beyond the NIC (uplinks of a leaf) are shared by all ports and seldom narrower than a NIC.
  const BytesPerSecond ports = std::min(nic_share(a), nic_share(b));
  const BytesPerSecond trunk = fabric.bandwidth < cluster_.nic_bandwidth ? fabric.bandwidth : ports;
  return {std::max(fabric.link, std::max(out.link, in.link)), std::min({out.bandwidth, in.bandwidth, ports, trunk}),
          out.hops + fabric.hops + in.hops, fabric.spine};
}

Route Routes::between(DeviceId a, DeviceId b) const {
  assert(a != b && a.value >= 0 && b.value >= 0 && a.value < cluster_.world_size() && b.value < cluster_.world_size());
  const NodeId node_a = cluster_.node_of(a);
  const NodeId node_b = cluster_.node_of(b);
  const int local_a = cluster_.local_index(a);
  const int local_b = cluster_.local_index(b);
  if (node_a == node_b) return within_node(local_a, local_b);
  if (nvlink_joins_nodes_ && nvlink_domain(node_a) == nvlink_domain(node_b)) {
    const int links =
        std::min(nvlinks_[static_cast<std::size_t>(local_a)], nvlinks_[static_cast<std::size_t>(local_b)]);
    return {LinkClass::nvlink, links * cluster_.nvlink_bandwidth, 2, false};
  }
  const bool leaf_only = leaf(node_a) == leaf(node_b) && stays_on_leaf(local_a, local_b);
  return across_nodes(local_a, local_b, leaf_only ? same_leaf_ : other_leaf_);
}

const std::vector<int>& Routes::nearest_nics(int local_gpu) const {
  return nearest_nics_[static_cast<std::size_t>(local_gpu)];
}
BytesPerSecond Routes::nic_share(int local_gpu) const { return nic_share_[static_cast<std::size_t>(local_gpu)]; }

int Routes::leaf(NodeId node) const {
  const bool flat = cluster_.fabric.kind == FabricKind::single_switch || cluster_.fabric.nodes_per_leaf == 0;
  return flat ? 0 : node.value / cluster_.fabric.nodes_per_leaf;
}

BytesPerSecond Routes::nvlink_bandwidth(std::span<const int> local_gpus) const {
  if (local_gpus.size() < 2) return {};
  if (cluster_.nvlink_switch) {
    int links = nvlinks_[static_cast<std::size_t>(local_gpus.front())];
    for (int gpu : local_gpus) links = std::min(links, nvlinks_[static_cast<std::size_t>(gpu)]);
    return links * cluster_.nvlink_bandwidth;
  }
  if (ring_links_.empty()) return nvlink_ring_links(cluster_.node, local_gpus) * cluster_.nvlink_bandwidth;
  std::size_t mask = 0;
  for (int gpu : local_gpus) mask |= std::size_t{1} << static_cast<unsigned>(gpu);
  return ring_links_[mask] * cluster_.nvlink_bandwidth;
}

}  // namespace trainyard
