// Oddities of a node that a job would notice: each one sentence that names the devices and what it means for a job.
#pragma once

#include <string>
#include <vector>

#include "topology/node_topology.hpp"

namespace trainyard {

// A GPU without NVLink among NVLinked ones, a missing GPU, NVLink pairs of different widths, NICs in another order than
// their GPUs, GPUs far from every NIC, a matrix that no PCIe tree explains. Empty for a regular node.
std::vector<std::string> topology_oddities(const NodeTopology& node);

}  // namespace trainyard
