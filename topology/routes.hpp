// Paths between devices, computed once per cluster from the graph; looking one up afterwards is O(1).
#pragma once

#include <span>
#include <vector>

#include "topology/cluster.hpp"

namespace trainyard {

// One way from device a to device b. Between nodes the NICs of a GPU count as one link of the width nic_share.
struct Route {
  LinkClass link = LinkClass::nvlink;  // the worst link class crossed
  BytesPerSecond bandwidth{};          // of the narrowest link, nominal, per direction
  int hops = 0;                        // links crossed
  bool spine = false;                  // leaves the leaf switch of the sender
  friend bool operator==(const Route&, const Route&) = default;
};

class Routes {
 public:
  explicit Routes(const Cluster& cluster);  // keeps a copy
  const Cluster& cluster() const { return cluster_; }
  Route between(DeviceId a, DeviceId b) const;  // a != b
  // The NICs nearest to a GPU (local indices of the node's NICs) and each GPU's fair share of their bandwidth.
  const std::vector<int>& nearest_nics(int local_gpu) const;
  BytesPerSecond nic_share(int local_gpu) const;

  // Within one node, by local index: the best way, and the way over PCIe even where NVLink is better.
  const Route& within_node(int a, int b) const { return local_[cell(a, b)]; }
  const Route& over_pcie(int a, int b) const { return pcie_[cell(a, b)]; }
  int nvlink_island(int local_gpu) const { return island_[static_cast<std::size_t>(local_gpu)]; }
  // What a member drives in one direction when all of `local_gpus` (one island, ascending) form NVLink rings; zero if
  // they cannot. Through a switch that is the GPU's whole NVLink width.
  BytesPerSecond nvlink_bandwidth(std::span<const int> local_gpus) const;
  bool nvlink_joins_nodes() const { return nvlink_joins_nodes_; }  // a domain of several nodes, as in NVL72
  int nvlink_domain(NodeId node) const { return node.value / cluster_.nodes_per_nvlink_domain; }
  int leaf(NodeId node) const;  // scalable unit; rails have one leaf each in it
  // Whether GPUs with these local indices reach each other in other nodes of the unit without the spine.
  bool stays_on_leaf(int a, int b) const { return on_leaf_[cell(a, b)]; }

 private:
  std::size_t cell(int a, int b) const {
    return static_cast<std::size_t>(a) * cluster_.node.gpus.size() + static_cast<std::size_t>(b);
  }
  void read_node();
  void read_nics();
  void read_fabric();
  bool share_a_nic(int a, int b) const;
  Route across_nodes(int a, int b, const Route& fabric) const;

  Cluster cluster_;
  std::vector<Route> local_;
  std::vector<Route> pcie_;
  std::vector<Route> to_nic_;  // per GPU, to the first of its nearest NICs
  std::vector<std::vector<int>> nearest_nics_;
  std::vector<BytesPerSecond> nic_share_;
  std::vector<int> island_;
  std::vector<int> nvlinks_;     // per GPU, to its best peer
  std::vector<int> ring_links_;  // by bit mask of local GPUs; empty beyond 8 GPUs and with switches
  std::vector<bool> on_leaf_;
  Route same_leaf_;  // NIC to NIC
  Route other_leaf_;
  bool nvlink_joins_nodes_ = false;
};

}  // namespace trainyard
