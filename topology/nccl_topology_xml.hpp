// Reads an NCCL topology XML: a dump (NCCL_TOPO_DUMP_FILE) or the template a cloud ships (NCCL_TOPO_FILE).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "topology/node_topology.hpp"

namespace trainyard {

struct NcclTopology {
  NodeTopology node;
  std::optional<BytesPerSecond> nic_bandwidth;  // of the slowest NIC, if the file states speeds
};

// Relations follow the tree: under one PCI bridge PIX, under several PXB, at one <cpu> PHB, at different ones SYS.
// <nvlink> counts give NVLink; those to NVSwitches (class 0x068000) join every such GPU with every other. GPUs without
// a <gpu> element are known by PCI class 0x0302xx or 0x0300xx, NICs by <nic> or class 0x02xxxx; GPUs are ordered by
// their `dev`. A template without <gpu> says nothing about NVLink: that loads with a warning.
// InputError with file:line for broken XML, for a graph XML, for several hosts, and for a file without GPUs.
NcclTopology read_nccl_topology_xml(std::string_view text, const std::string& name_in_messages);

}  // namespace trainyard
