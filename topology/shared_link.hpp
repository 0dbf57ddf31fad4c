// One direction of a link that several transfers may want at once, and what share of a transfer crosses it.
#pragma once

#include <cstdint>

#include "sim/base/hardware.hpp"

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

}  // namespace trainyard
