#include "topology/describe.hpp"

#include <cstddef>
#include <utility>

namespace trainyard {
namespace {

// Smaller class first, then more NVLinks.
bool closer(const Relation& a, const Relation& b) { return a.link != b.link ? a.link < b.link : a.nvlinks > b.nvlinks; }

}  // namespace

std::string device_name(const NodeTopology& node, int device) {
  const auto i = static_cast<std::size_t>(device);
  return i < node.gpus.size() ? node.gpus[i] : node.nics[i - node.gpus.size()];
}

TopologyDescription describe(const NodeTopology& node, std::string name) {
  TopologyDescription d;
  d.name = std::move(name);
  d.node = node;
  const int devices = static_cast<int>(node.relations.size());
  const int gpus = static_cast<int>(node.gpus.size());
  for (int a = 0; a < devices; ++a)
    for (int b = a + 1; b < devices; ++b) {
      const DevicePair pair{a, b, node.relations[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)]};
      d.links.push_back(pair);
      if (b >= gpus) continue;
      if (!d.best_gpu_pair || closer(pair.relation, d.best_gpu_pair->relation)) d.best_gpu_pair = pair;
      if (!d.worst_gpu_pair || closer(d.worst_gpu_pair->relation, pair.relation)) d.worst_gpu_pair = pair;
    }
  d.islands = nvlink_islands(node);
  d.pcie = pcie_tree(node);
  d.nearest_nics = near_nics(node);
  d.nvlink_switch = nvlink_needs_switch(node);
  return d;
}

TopologyDescription describe(const Cluster& cluster) {
  TopologyDescription d = describe(cluster.node, cluster.name);
  d.nvlink_switch = cluster.nvlink_switch;
  d.cluster = cluster;
  return d;
}

}  // namespace trainyard
