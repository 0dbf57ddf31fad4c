// The machine: GPUs of equal nodes behind a fabric. Immutable; built by cluster_yaml or in a test.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/hardware.hpp"
#include "sim/base/ids.hpp"
#include "topology/node_topology.hpp"

namespace trainyard {

enum class FabricKind { single_switch, fat_tree, rail_optimised };

// As cluster files spell it.
constexpr std::string_view name(FabricKind kind) {
  switch (kind) {
    case FabricKind::single_switch:
      return "single-switch";
    case FabricKind::fat_tree:
      return "fat-tree";
    case FabricKind::rail_optimised:
      return "rail-optimised";
  }
  return "?";
}

// The scale-out network above the NICs. A leaf is one first-level switch (of one rail when rail_optimised).
struct Fabric {
  FabricKind kind = FabricKind::single_switch;
  int nodes_per_leaf = 0;         // nodes under one leaf (one scalable unit); 0 = all of them
  double oversubscription = 1.0;  // leaf uplink: downlink bandwidth / uplink bandwidth, >= 1
  std::string network;            // network profile: "infiniband", "roce", "efa", "tcpx" … ; empty for one node
  friend bool operator==(const Fabric&, const Fabric&) = default;
};

// Machines are equal except for what is listed here. Factors are relative to the healthy part: 0.5 = half as fast.
struct SlowGpu {
  int gpu = 0;         // global index: node * GPUs per node + local index
  double speed = 1.0;  // of its kernels, > 0
  friend bool operator==(const SlowGpu&, const SlowGpu&) = default;
};
enum class DegradedPart { nvlink, pcie, nic };
struct DegradedLink {
  DegradedPart part = DegradedPart::nic;
  int node = 0;
  int index = 0;           // local index of the GPU (nvlink, pcie: its own links) or of the NIC
  double bandwidth = 1.0;  // > 0
  friend bool operator==(const DegradedLink&, const DegradedLink&) = default;
};
struct Stragglers {
  std::vector<SlowGpu> gpus;
  std::vector<DegradedLink> links;
  double jitter = 0;       // standard deviation of the relative duration of every kernel, drawn anew for each
  std::uint64_t seed = 1;  // of the jitter
  bool any() const { return !gpus.empty() || !links.empty() || jitter > 0; }
  friend bool operator==(const Stragglers&, const Stragglers&) = default;
};

struct Cluster {
  std::string name;
  std::string gpu;     // device profile, e.g. "h100-sxm-80gb"
  Bytes gpu_memory{};  // capacity of one GPU as sold (80 GiB for an 80 GB H100)
  NodeTopology node;   // one node; all nodes are equal
  int nodes = 1;
  int nodes_per_nvlink_domain = 1;    // > 1 for racks whose NVLink switch joins several trays (NVL72: 18)
  BytesPerSecond nvlink_bandwidth{};  // of one NVLink, nominal, per direction (H100: 25 GB/s); 0 = no NVLink
  BytesPerSecond pcie_bandwidth{};    // of a GPU's PCIe slot, nominal, per direction
  BytesPerSecond socket_bandwidth{};  // between CPU sockets, per direction (what SYS crosses)
  BytesPerSecond nic_bandwidth{};     // of one NIC, nominal, per direction
  bool nvlink_switch = false;         // all-to-all NVLink through switches (else point-to-point links)
  bool nvlink_multicast = false;      // switches reduce in flight (NVLS)
  Fabric fabric;
  Stragglers stragglers;  // only engines that simulate every rank see them
  friend bool operator==(const Cluster&, const Cluster&) = default;

  int gpus_per_node() const { return static_cast<int>(node.gpus.size()); }
  int world_size() const { return nodes * gpus_per_node(); }
  NodeId node_of(DeviceId d) const { return NodeId(d.value / gpus_per_node()); }
  int local_index(DeviceId d) const { return d.value % gpus_per_node(); }
};

}  // namespace trainyard
