// Every directed link of the cluster that several transfers may want at once, numbered, and which of them bytes cross.
#pragma once

#include <string>
#include <vector>

#include "topology/node_links.hpp"
#include "topology/routes.hpp"
#include "topology/shared_link.hpp"

namespace trainyard {

// The links of node k are those of node 0 moved by a constant, leaves come last: memory is that of one node's links,
// and a path is found in O(its length), without a table of all pairs. Degraded parts of the cluster have lower
// bandwidth.
class LinkMap {
 public:
  explicit LinkMap(const Routes& routes);  // keeps a pointer; `routes` must outlive it
  const Routes& routes() const { return *routes_; }
  int size() const { return first_leaf_ + units_ * leaves_ * 2; }
  SharedLink link(int id) const;
  std::string name(int id) const;  // "node 1 NIC3 out", "node 0 GPU2 NVLink out", "unit 0 leaf 3 up"

  // Links that bytes from a to b cross, appended to `out` in their order; a link may occur more than once only as
  // separate entries. Inside an NVLink domain: NVLink ports. Inside a node without NVLink between the two: the PCIe
  // tree. Between nodes: the sender's way to its nearest NICs, the NICs, leaf uplinks if the two are under different
  // leaves, the receiver's NICs and way (to the same rail where NCCL's PXN would take that). Nothing if a == b.
  void path(DeviceId a, DeviceId b, std::vector<LinkLoad>& out) const;

  // Whether the two talk over NVLink or PCIe, not over NICs.
  bool same_host(DeviceId a, DeviceId b) const;

  // The parts of a path over NICs, for traffic to many receivers at once. `peer` is the local index of the GPU at the
  // other end.
  void leave(DeviceId from, int peer, std::vector<LinkLoad>& out) const;       // up to and with the sender's NICs
  void arrive(DeviceId to, int peer, std::vector<LinkLoad>& out) const;        // from the receiver's NICs on
  void leave_leaf(DeviceId from, int peer, std::vector<LinkLoad>& out) const;  // uplinks, if the bytes leave the leaf
  void arrive_leaf(DeviceId to, int peer, std::vector<LinkLoad>& out) const;
  // Whether GPUs of these local indices meet above the leaf switches, in one unit and in two.
  bool leaves_leaf(int from, int to, bool same_unit) const;
  int unit(DeviceId d) const { return routes_->leaf(routes_->cluster().node_of(d)); }

 private:
  int base(DeviceId d) const { return routes_->cluster().node_of(d).value * node_.size(); }
  int leaf_link(int unit, int nic, bool down) const;
  void load_leaves(int unit, const std::vector<int>& nics, bool down, std::vector<LinkLoad>& out) const;
  double health(const SharedLink& link) const;
  double health(DegradedPart part, int node, int index) const;

  const Routes* routes_;
  NodeLinks node_;
  int first_leaf_ = 0;
  int units_ = 0;
  int leaves_ = 0;  // per unit; 0 = nobody leaves the first switch
  BytesPerSecond uplink_{};
  std::vector<DegradedLink> degraded_;  // by part, node, index
};

}  // namespace trainyard
