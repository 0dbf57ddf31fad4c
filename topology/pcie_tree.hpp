// The PCIe tree that a relation matrix implies. NVLink hides how two GPUs would meet over PCIe; that is recovered from
// their relations to third devices and from the NUMA affinities.
#pragma once

#include <optional>
#include <vector>

#include "topology/node_topology.hpp"

namespace trainyard {

// A place where PCIe paths meet. Devices below one pix group share a switch; pix and pxb are switches, phb is a host
// bridge, node is a socket (NUMA node), sys is what joins the sockets.
struct PcieGroup {
  LinkClass level = LinkClass::pix;
  std::vector<int> devices;   // device indices (GPUs, then NICs) of the whole subtree, ascending
  std::optional<int> parent;  // index into the tree's groups; none for the root
  friend bool operator==(const PcieGroup&, const PcieGroup&) = default;
};

struct PcieTree {
  std::vector<PcieGroup> groups;     // children before parents; the root (level sys, all devices) last
  std::vector<int> group_of_device;  // innermost group of each device
  friend bool operator==(const PcieTree&, const PcieTree&) = default;

  LinkClass between(int a, int b) const;  // level of the innermost group that holds both
};

// Groups are the sets connected at or below a level. Where a matrix is no tree (a PIX b, b PIX c, but a SYS c) the
// closer relation wins. Every device has a socket; a socket with one device is still a group.
PcieTree pcie_tree(const NodeTopology& node);

}  // namespace trainyard
