// How busy the links of every node are, and which nodes are loaded alike: what the topology picture draws.
#pragma once

#include <string>
#include <vector>

#include "analysis/link_load.hpp"
#include "topology/cluster.hpp"

namespace trainyard {

// Both directions of a link: the busier one decides what is drawn.
struct DuplexLoad {
  double busy = 0;
  Bytes bytes{};  // of the busier direction
  void add(const LoadedLink& link);
  friend bool operator==(const DuplexLoad&, const DuplexLoad&) = default;
};

struct NodeLoad {
  std::vector<int> nodes;          // loaded alike, to a percent of every link
  std::vector<DuplexLoad> nvlink;  // [GPU] of the first of them
  std::vector<DuplexLoad> pcie;    // [GPU] its way to its PCIe switch
  std::vector<DuplexLoad> nic;     // [NIC]
  DuplexLoad sockets;
};

struct TopologyLoad {
  std::vector<NodeLoad> nodes;  // by the first node of each
  DuplexLoad uplinks;           // the busiest leaf's
};
TopologyLoad topology_load(const Cluster& cluster, const std::vector<LoadedLink>& loads);

// The NICs that each GPU is drawn with: the nearest; where all are equally near, its share of them. Empty without NICs.
std::vector<std::vector<int>> nearest_nics(const NodeTopology& node);

}  // namespace trainyard
