// What a node's matrix says about its GPUs as groups: NVLink islands, NICs close by.
#pragma once

#include <vector>

#include "topology/node_topology.hpp"

namespace trainyard {

// The connected components of the NVLink graph, ascending; a GPU without NVLink is an island of one.
struct NvlinkIsland {
  std::vector<int> gpus;
  int narrowest = 0;  // NVLinks of the thinnest linked pair, 0 for an island of one
  int widest = 0;
  bool all_to_all = true;  // every pair of the island is linked
  friend bool operator==(const NvlinkIsland&, const NvlinkIsland&) = default;
};
std::vector<NvlinkIsland> nvlink_islands(const NodeTopology& node);

// No GPU has more than 18 NVLinks, so more links than that to all peers together can only come from a switch, which
// lends a GPU's links to every pair.
bool nvlink_needs_switch(const NodeTopology& node);

// Per GPU the NICs of its best class below SYS, ascending; empty if every NIC is across the sockets.
std::vector<std::vector<int>> near_nics(const NodeTopology& node);

// Per GPU the NICs it uses: the near ones; GPUs without one take the least-loaded NICs in turn, several each if there
// are several per GPU. Empty only in a node without NICs.
std::vector<std::vector<int>> nics_in_use(const NodeTopology& node);

}  // namespace trainyard
