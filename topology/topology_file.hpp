// A node's topology from a file of either kind, told apart by content.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "topology/node_topology.hpp"

namespace trainyard {

struct TopologyFile {
  NodeTopology node;
  std::optional<BytesPerSecond> nic_bandwidth;  // only an NCCL XML may state it
};

// InputError as read_nvidia_smi_topo and read_nccl_topology_xml throw it, or if the file cannot be read.
TopologyFile read_topology_text(std::string_view text, const std::string& name_in_messages);
TopologyFile read_topology_file(const std::string& path);
std::string read_input_file(const std::string& path);  // at most 8 MiB of it, more than any topology has

}  // namespace trainyard
