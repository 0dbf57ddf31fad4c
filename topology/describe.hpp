// What `trainyard topology` says about a node or cluster, as values, and its writers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "topology/cluster.hpp"
#include "topology/node_groups.hpp"
#include "topology/pcie_tree.hpp"

namespace trainyard {

struct DevicePair {
  int a = 0;  // device indices: GPUs, then NICs
  int b = 0;
  Relation relation;
  friend bool operator==(const DevicePair&, const DevicePair&) = default;
};

struct TopologyDescription {
  std::string name;  // file or preset
  NodeTopology node;
  std::vector<DevicePair> links;  // every pair of devices, by (a, b)
  std::vector<NvlinkIsland> islands;
  PcieTree pcie;
  std::optional<DevicePair> best_gpu_pair;  // none with a single GPU
  std::optional<DevicePair> worst_gpu_pair;
  std::vector<std::vector<int>> nearest_nics;  // per GPU, local NIC indices; empty if all are across the sockets
  bool nvlink_switch = false;
  std::optional<Cluster> cluster;  // when the input was a cluster, not a capture
};

TopologyDescription describe(const NodeTopology& node, std::string name);
TopologyDescription describe(const Cluster& cluster);

std::string device_name(const NodeTopology& node, int device);

// Writers; pure functions of the description.
std::string topology_text(const TopologyDescription& d);
std::string topology_json(const TopologyDescription& d);  // keys of the interface: gpus, nics, matrix, links, islands …
std::string topology_dot(const TopologyDescription& d);  // Graphviz
std::string topology_svg(const TopologyDescription& d);  // self-contained drawing

}  // namespace trainyard
