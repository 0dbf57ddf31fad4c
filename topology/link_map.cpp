#include "topology/link_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <tuple>

namespace trainyard {
namespace {

auto place(const DegradedLink& d) { return std::tuple(d.part, d.node, d.index); }
bool earlier(const DegradedLink& a, const DegradedLink& b) { return place(a) < place(b); }

}  // namespace

LinkMap::LinkMap(const Routes& routes) : routes_(&routes), node_(routes), degraded_(routes.cluster().stragglers.links) {
  std::sort(degraded_.begin(), degraded_.end(), earlier);
  const Cluster& cluster = routes.cluster();
  first_leaf_ = cluster.nodes * node_.size();
  const int nics = static_cast<int>(cluster.node.nics.size());
  const bool rails = cluster.fabric.kind == FabricKind::rail_optimised;
  const int unit =
      cluster.fabric.nodes_per_leaf > 0 ? std::min(cluster.fabric.nodes_per_leaf, cluster.nodes) : cluster.nodes;
  units_ = routes.leaf(NodeId(cluster.nodes - 1)) + 1;
  const bool flat = cluster.fabric.kind == FabricKind::single_switch || (!rails && units_ == 1);
  leaves_ = flat || cluster.nodes == 1 ? 0 : rails ? nics : 1;
  const double ports = static_cast<double>(unit) * (rails ? 1.0 : static_cast<double>(nics));
  uplink_ = ports * cluster.nic_bandwidth / cluster.fabric.oversubscription;
}

SharedLink LinkMap::link(int id) const {
  assert(id >= 0 && id < size());
  SharedLink link;
  if (id < first_leaf_) {
    link = node_.link(id % node_.size());
    link.node = id / node_.size();
    link.health = health(link);
    link.bandwidth = link.health * link.bandwidth;
    return link;
  }
  const int leaf = (id - first_leaf_) / 2;
  const bool down = (id - first_leaf_) % 2 == 1;
  return {down ? SharedLinkKind::leaf_down : SharedLinkKind::leaf_up,
          LinkClass::spine,
          uplink_,
          1.0,
          leaf / leaves_,
          leaf % leaves_,
          leaf % leaves_};
}

double LinkMap::health(DegradedPart part, int node, int index) const {
  const DegradedLink wanted{part, node, index, 1.0};
  const auto found = std::lower_bound(degraded_.begin(), degraded_.end(), wanted, earlier);
  return found != degraded_.end() && place(*found) == place(wanted) ? found->bandwidth : 1.0;
}

double LinkMap::health(const SharedLink& link) const {
  if (degraded_.empty()) return 1.0;
  const int gpus = routes_->cluster().gpus_per_node();
  // A link between two GPUs is as fast as its slower end.
  const auto of_gpus = [&](DegradedPart part) {
    const double from = link.from < gpus ? health(part, link.node, link.from) : 1.0;
    const double to = link.to < gpus ? health(part, link.node, link.to) : 1.0;
    return link.from < gpus && link.to < gpus ? std::min(from, to) : from * to;
  };
  switch (link.kind) {
    case SharedLinkKind::nvlink_out:
    case SharedLinkKind::nvlink_in:
      return of_gpus(DegradedPart::nvlink);
    case SharedLinkKind::pcie:
      return of_gpus(DegradedPart::pcie);
    case SharedLinkKind::nic_out:
    case SharedLinkKind::nic_in:
      return health(DegradedPart::nic, link.node, link.from);
    case SharedLinkKind::socket:
    case SharedLinkKind::leaf_up:
    case SharedLinkKind::leaf_down:
      return 1.0;
  }
  return 1.0;
}

std::string LinkMap::name(int id) const {
  const SharedLink l = link(id);
  const auto vertex = [&](int v) { return node_.vertex_name(v); };
  switch (l.kind) {
    case SharedLinkKind::nvlink_out:
      if (l.to < routes_->cluster().gpus_per_node())
        return fmt::format("node {} {} NVLink to {}", l.node, vertex(l.from), vertex(l.to));
      return fmt::format("node {} {} NVLink out", l.node, vertex(l.from));
    case SharedLinkKind::nvlink_in:
      return fmt::format("node {} {} NVLink in", l.node, vertex(l.to));
    case SharedLinkKind::pcie:
    case SharedLinkKind::socket:
      return fmt::format("node {} {} to {}", l.node, vertex(l.from), vertex(l.to));
    case SharedLinkKind::nic_out:
    case SharedLinkKind::nic_in:
      return fmt::format("node {} {} {}", l.node, routes_->cluster().node.nics[static_cast<std::size_t>(l.from)],
                         l.kind == SharedLinkKind::nic_out ? "out" : "in");
    case SharedLinkKind::leaf_up:
    case SharedLinkKind::leaf_down:
      return fmt::format("unit {} leaf {} {}", l.node, l.from, l.kind == SharedLinkKind::leaf_up ? "up" : "down");
  }
  return "?";
}

bool LinkMap::same_host(DeviceId a, DeviceId b) const {
  const NodeId of_a = routes_->cluster().node_of(a);
  const NodeId of_b = routes_->cluster().node_of(b);
  return of_a == of_b ||
         (routes_->nvlink_joins_nodes() && routes_->nvlink_domain(of_a) == routes_->nvlink_domain(of_b));
}

void LinkMap::path(DeviceId a, DeviceId b, std::vector<LinkLoad>& out) const {
  const Cluster& cluster = routes_->cluster();
  assert(a.value >= 0 && b.value >= 0 && a.value < cluster.world_size() && b.value < cluster.world_size());
  if (a == b) return;
  const int local_a = cluster.local_index(a);
  const int local_b = cluster.local_index(b);
  if (cluster.node_of(a) == cluster.node_of(b)) {
    node_.gpu_to_gpu(local_a, local_b, base(a), 1.0, out);
  } else if (same_host(a, b)) {
    out.push_back({base(a) + node_.port_out(local_a).value(), 1.0});
    out.push_back({base(b) + node_.port_in(local_b).value(), 1.0});
  } else {
    leave(a, local_b, out);
    if (leaves_leaf(local_a, local_b, unit(a) == unit(b))) {
      leave_leaf(a, local_b, out);
      arrive_leaf(b, local_a, out);
    }
    arrive(b, local_a, out);
  }
}

void LinkMap::leave(DeviceId from, int peer, std::vector<LinkLoad>& out) const {
  const int gpu = routes_->cluster().local_index(from);
  const NicWay& way = node_.nic_way(gpu, peer);
  const int last = way.proxy.value_or(gpu);
  if (way.proxy) node_.gpu_to_gpu(gpu, *way.proxy, base(from), 1.0, out);
  const double share = 1.0 / static_cast<double>(way.out.size());
  for (const int nic : way.out) {
    node_.over_pcie(last, routes_->cluster().gpus_per_node() + nic, base(from), share, out);
    out.push_back({base(from) + node_.nic_out(nic), share});
  }
}

void LinkMap::arrive(DeviceId to, int peer, std::vector<LinkLoad>& out) const {
  const int gpu = routes_->cluster().local_index(to);
  const NicWay& way = node_.nic_way(peer, gpu);
  const double share = 1.0 / static_cast<double>(way.in.size());
  for (const int nic : way.in) {
    out.push_back({base(to) + node_.nic_in(nic), share});
    node_.over_pcie(routes_->cluster().gpus_per_node() + nic, gpu, base(to), share, out);
  }
}

bool LinkMap::leaves_leaf(int from, int to, bool same_unit) const {
  if (leaves_ == 0) return false;
  const bool rails = routes_->cluster().fabric.kind == FabricKind::rail_optimised;
  return !same_unit || (rails && !node_.nic_way(from, to).same_rails);
}

int LinkMap::leaf_link(int unit, int nic, bool down) const {
  const int leaf = leaves_ == 1 ? 0 : nic;
  return first_leaf_ + 2 * (unit * leaves_ + leaf) + (down ? 1 : 0);
}

void LinkMap::load_leaves(int unit, const std::vector<int>& nics, bool down, std::vector<LinkLoad>& out) const {
  if (leaves_ == 0) return;
  const double share = 1.0 / static_cast<double>(nics.size());
  if (leaves_ == 1) {
    out.push_back({leaf_link(unit, 0, down), 1.0});
    return;
  }
  for (const int nic : nics) out.push_back({leaf_link(unit, nic, down), share});
}

void LinkMap::leave_leaf(DeviceId from, int peer, std::vector<LinkLoad>& out) const {
  load_leaves(unit(from), node_.nic_way(routes_->cluster().local_index(from), peer).out, false, out);
}

void LinkMap::arrive_leaf(DeviceId to, int peer, std::vector<LinkLoad>& out) const {
  load_leaves(unit(to), node_.nic_way(peer, routes_->cluster().local_index(to)).in, true, out);
}

}  // namespace trainyard
