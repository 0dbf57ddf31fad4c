#include "topology/node_links.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <numeric>

#include "topology/graph.hpp"
#include "topology/routes.hpp"

namespace trainyard {
namespace {

SharedLinkKind kind_towards(const GraphVertex& upper, const GraphEdge& edge) {
  if (edge.link == LinkClass::nvlink) return SharedLinkKind::nvlink_out;
  return upper.kind == VertexKind::smp ? SharedLinkKind::socket : SharedLinkKind::pcie;
}

std::vector<int> common(const std::vector<int>& a, const std::vector<int>& b) {
  std::vector<int> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

}  // namespace

NodeLinks::NodeLinks(const Routes& routes) : gpus_(routes.cluster().node.gpus.size()) {
  number_links(routes);
  find_nic_ways(routes);
}

void NodeLinks::number_links(const Routes& routes) {
  const Cluster& cluster = routes.cluster();
  const ClusterGraph graph = node_graph(cluster);
  const std::vector<GraphVertex> vertices = vertices_of(graph);
  for (const GraphVertex& v : vertices) vertices_.push_back(v.label);
  port_.assign(gpus_, std::nullopt);
  direct_.assign(gpus_ * gpus_, std::nullopt);
  parent_.resize(vertices.size());
  std::iota(parent_.begin(), parent_.end(), 0);
  up_.assign(vertices.size(), 0);
  for (std::size_t gpu = 0; gpu < gpus_; ++gpu) island_.push_back(routes.nvlink_island(static_cast<int>(gpu)));
  for (const GraphLink& l : links_of(graph)) {
    const int id = size();
    const int a = static_cast<int>(l.a);
    const int b = static_cast<int>(l.b);
    const SharedLinkKind kind = kind_towards(vertices[l.b], l.edge);
    const bool by_switch = vertices[l.b].kind == VertexKind::nvswitch;
    links_.push_back({kind, l.edge.link, l.edge.bandwidth, 1.0, 0, a, b});
    links_.push_back({by_switch ? SharedLinkKind::nvlink_in : kind, l.edge.link, l.edge.bandwidth, 1.0, 0, b, a});
    if (by_switch) {
      port_[l.a] = id;
    } else if (l.edge.link == LinkClass::nvlink) {
      direct_[cell(a, b)] = id;
      direct_[cell(b, a)] = id + 1;
    } else {  // children have lower numbers than what they hang on
      parent_[l.a] = b;
      up_[l.a] = id;
    }
  }
  first_nic_ = size();
  for (int nic = 0; nic < static_cast<int>(cluster.node.nics.size()); ++nic)
    for (const SharedLinkKind kind : {SharedLinkKind::nic_out, SharedLinkKind::nic_in})
      links_.push_back({kind, LinkClass::net, cluster.nic_bandwidth, 1.0, 0, nic, nic});
}

void NodeLinks::find_nic_ways(const Routes& routes) {
  const int gpus = static_cast<int>(gpus_);
  nic_ways_.reserve(gpus_ * gpus_);
  for (int a = 0; a < gpus; ++a)
    for (int b = 0; b < gpus; ++b) nic_ways_.push_back(find_nic_way(routes, a, b));
}

NicWay NodeLinks::find_nic_way(const Routes& routes, int a, int b) const {
  const std::vector<int>& of_b = routes.nearest_nics(b);
  const bool rails = routes.cluster().fabric.kind == FabricKind::rail_optimised;
  const auto on_rail = [&](int gpu) { return rails ? common(routes.nearest_nics(gpu), of_b) : std::vector<int>{}; };
  if (const std::vector<int> own = on_rail(a); !own.empty()) return {std::nullopt, own, own, true};
  const auto forwards = [&](int gpu) {
    return gpu != a && routes.within_node(a, gpu).link == LinkClass::nvlink && !on_rail(gpu).empty();
  };
  // The GPU in the receiver's place first: its NICs are the receiver's.
  for (int i = 0; i < static_cast<int>(gpus_); ++i) {
    const int proxy = (b + i) % static_cast<int>(gpus_);
    if (forwards(proxy)) return {proxy, on_rail(proxy), on_rail(proxy), true};
  }
  const std::vector<int>& of_a = routes.nearest_nics(a);
  return {std::nullopt, of_a, of_b, of_a == of_b};
}

std::optional<int> NodeLinks::port_in(int gpu) const {
  const std::optional<int> out = port_out(gpu);
  return out ? std::optional(*out + 1) : std::nullopt;
}

void NodeLinks::gpu_to_gpu(int a, int b, int base, double share, std::vector<LinkLoad>& out) const {
  const bool switched =
      island_[static_cast<std::size_t>(a)] == island_[static_cast<std::size_t>(b)] && port_out(a) && port_out(b);
  if (switched) {
    out.push_back({base + *port_out(a), share});
    out.push_back({base + *port_in(b), share});
  } else if (const std::optional<int> direct = direct_[cell(a, b)]) {
    out.push_back({base + *direct, share});
  } else {
    over_pcie(a, b, base, share, out);
  }
}

void NodeLinks::over_pcie(int device_a, int device_b, int base, double share, std::vector<LinkLoad>& out) const {
  // Parents have higher numbers: climbing from the lower vertex meets at the innermost place that both share.
  auto top = static_cast<std::ptrdiff_t>(out.size());  // between the way up and the way down
  while (device_a != device_b) {
    const bool from_a = device_a < device_b;
    int& lower = from_a ? device_a : device_b;
    const auto vertex = static_cast<std::size_t>(lower);
    out.insert(out.begin() + top, {base + up_[vertex] + (from_a ? 0 : 1), share});
    if (from_a) ++top;
    lower = parent_[vertex];
  }
}

}  // namespace trainyard
