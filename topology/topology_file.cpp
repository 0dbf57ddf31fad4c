#include "topology/topology_file.hpp"

#include <cstddef>
#include <fstream>

#include "sim/base/errors.hpp"
#include "topology/nccl_topology_xml.hpp"
#include "topology/nvidia_smi_topo.hpp"

namespace trainyard {

TopologyFile read_topology_text(std::string_view text, const std::string& name_in_messages) {
  std::string_view start = text;
  if (start.starts_with("\xef\xbb\xbf")) start.remove_prefix(3);
  const std::size_t first = start.find_first_not_of(" \t\r\n");
  const bool xml = first != std::string_view::npos && start[first] == '<' && start.substr(first, 5) != "<html";
  if (!xml) return {read_nvidia_smi_topo(text, name_in_messages), std::nullopt};
  NcclTopology nccl = read_nccl_topology_xml(start, name_in_messages);
  return {std::move(nccl.node), nccl.nic_bandwidth};
}

std::string read_input_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw InputError({path, 0, 0}, "cannot open the file");
  std::string text(std::size_t{8} << 20, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.gcount() == 0 && !in.eof()))
    throw InputError({path, 0, 0}, "cannot read the file", "is it a directory?");
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

TopologyFile read_topology_file(const std::string& path) { return read_topology_text(read_input_file(path), path); }

}  // namespace trainyard
