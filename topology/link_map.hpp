// Every directed link of the cluster that several transfers may want at once, numbered, and which of them bytes cross.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "topology/routes.hpp"

namespace trainyard {

enum class SharedLinkKind : std::uint8_t {
  nvlink_out,  // a GPU's port into its NVSwitch, or all its NVLinks to one peer where there is no switch
  nvlink_in,   // from the NVSwitch to a GPU
  pcie,        // GPU or NIC to its PCIe switch, PCIe switch to host bridge, host bridge to socket, each direction
  socket,      // between sockets
  nic_out,
  nic_in,
  leaf_up,  // all uplinks of one leaf switch as one link: ports * NIC bandwidth / oversubscription
  leaf_down
};

struct SharedLink {
  SharedLinkKind kind = SharedLinkKind::nvlink_out;
  LinkClass link = LinkClass::nvlink;  // class whose efficiency applies
  BytesPerSecond bandwidth{};          // nominal, in this direction, degradation included
  double health = 1.0;                 // < 1: degraded
  int node = 0;                        // node or, for leaves, the scalable unit
  int from = 0, to = 0;                // vertices of node_graph; NIC or leaf index for the others
};

// `share` of the bytes of a transfer crosses the link (NICs of one GPU split them).
struct LinkLoad {
  int link = 0;
  double share = 1.0;
  friend bool operator==(const LinkLoad&, const LinkLoad&) = default;
};

// Memory is linear in the number of links; a path is found in O(its length), without a table of all pairs.
class LinkMap {
 public:
  explicit LinkMap(const Routes& routes);  // keeps a pointer; `routes` must outlive it
  const Routes& routes() const { return *routes_; }
  int size() const;
  SharedLink link(int id) const;
  std::string name(int id) const;  // "node 1 NIC3 out", "node 0 GPU2 NVLink out", "unit 0 leaf 3 up"

  // Links that bytes from a to b cross, appended to `out`; a link may occur more than once only as separate entries.
  // Inside an NVLink domain: NVLink ports. Inside a node without NVLink between the two: the PCIe tree. Between nodes:
  // the sender's way to its nearest NICs, the NICs, leaf uplinks if the two are under different leaves, the receiver's
  // NICs and way (to the same rail where NCCL's PXN would take that).
  void path(DeviceId a, DeviceId b, std::vector<LinkLoad>& out) const;

 private:
  const Routes* routes_;
  // … the implementation's tables
};

}  // namespace trainyard
