#include <nlohmann/json.hpp>

#include <cstddef>

#include "topology/describe.hpp"
#include "topology/nvidia_smi_topo.hpp"

namespace trainyard {
namespace {

using nlohmann::ordered_json;

ordered_json pair_json(const TopologyDescription& d, const DevicePair& pair) {
  return {{"a", device_name(d.node, pair.a)},
          {"b", device_name(d.node, pair.b)},
          {"class", name(pair.relation.link)},
          {"nvlinks", pair.relation.nvlinks}};
}

ordered_json matrix_json(const NodeTopology& node) {
  ordered_json matrix = ordered_json::array();
  for (std::size_t i = 0; i < node.relations.size(); ++i) {
    ordered_json row = ordered_json::array();
    for (std::size_t j = 0; j < node.relations.size(); ++j)
      row.push_back(i == j ? "X" : cell_text(node.relations[i][j]));
    matrix.push_back(std::move(row));
  }
  return matrix;
}

ordered_json names_json(const NodeTopology& node, const std::vector<int>& devices) {
  ordered_json names = ordered_json::array();
  for (int device : devices) names.push_back(device_name(node, device));
  return names;
}

ordered_json nearest_json(const TopologyDescription& d) {
  ordered_json nearest = ordered_json::array();
  for (const std::vector<int>& nics : d.nearest_nics) {
    ordered_json names = ordered_json::array();
    for (int nic : nics) names.push_back(d.node.nics[static_cast<std::size_t>(nic)]);
    nearest.push_back(std::move(names));
  }
  return nearest;
}

ordered_json groups_json(const TopologyDescription& d) {
  ordered_json groups = ordered_json::array();
  for (const PcieGroup& group : d.pcie.groups)
    groups.push_back({{"class", name(group.level)}, {"devices", names_json(d.node, group.devices)}});
  return groups;
}

ordered_json cluster_json(const Cluster& c) {
  return {{"name", c.name},
          {"gpu", c.gpu},
          {"gpu_memory_bytes", c.gpu_memory.value},
          {"nodes", c.nodes},
          {"world_size", c.world_size()},
          {"nodes_per_nvlink_domain", c.nodes_per_nvlink_domain},
          {"nvlink_switch", c.nvlink_switch},
          {"nvlink_multicast", c.nvlink_multicast},
          {"nvlink_bandwidth_bytes_per_s", c.nvlink_bandwidth.value},
          {"pcie_bandwidth_bytes_per_s", c.pcie_bandwidth.value},
          {"socket_bandwidth_bytes_per_s", c.socket_bandwidth.value},
          {"nic_bandwidth_bytes_per_s", c.nic_bandwidth.value},
          {"fabric",
           {{"kind", name(c.fabric.kind)},
            {"nodes_per_leaf", c.fabric.nodes_per_leaf},
            {"oversubscription", c.fabric.oversubscription},
            {"network", c.fabric.network}}}};
}

}  // namespace

std::string topology_json(const TopologyDescription& d) {
  ordered_json out;
  out["gpus"] = d.node.gpus;
  out["nics"] = d.node.nics;
  out["nic_names"] = d.node.nic_names;
  out["matrix"] = matrix_json(d.node);
  out["links"] = ordered_json::array();
  for (const DevicePair& pair : d.links) out["links"].push_back(pair_json(d, pair));
  out["cpu_affinity"] = d.node.cpu_affinity;
  out["numa_affinity"] = d.node.numa_affinity;
  out["islands"] = ordered_json::array();
  for (const NvlinkIsland& island : d.islands) out["islands"].push_back(names_json(d.node, island.gpus));
  out["nvlink_switch"] = d.nvlink_switch;
  out["pcie_groups"] = groups_json(d);
  out["nearest_nics"] = nearest_json(d);
  out["best_gpu_pair"] = d.best_gpu_pair ? pair_json(d, *d.best_gpu_pair) : ordered_json();
  out["worst_gpu_pair"] = d.worst_gpu_pair ? pair_json(d, *d.worst_gpu_pair) : ordered_json();
  out["warnings"] = d.node.warnings;
  if (d.cluster) out["cluster"] = cluster_json(*d.cluster);
  // Labels come from files; bytes that are no UTF-8 are replaced rather than refused.
  return out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace trainyard
