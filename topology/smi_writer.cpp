#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "topology/nvidia_smi_topo.hpp"

namespace trainyard {
namespace {

bool any_text(const std::vector<std::string>& texts) {
  return std::any_of(texts.begin(), texts.end(), [](const std::string& s) { return !s.empty(); });
}

void write_affinity(std::string& out, const NodeTopology& node, std::size_t gpu) {
  const std::string cpu = gpu < node.cpu_affinity.size() ? node.cpu_affinity[gpu] : "";
  const std::string numa = gpu < node.numa_affinity.size() ? node.numa_affinity[gpu] : "";
  fmt::format_to(std::back_inserter(out), "\t{}\t{}\t\tN/A", cpu, numa);
}

constexpr std::string_view legend = R"(
Legend:

  X    = Self
  SYS  = Connection traversing PCIe as well as the SMP interconnect between NUMA nodes (e.g., QPI/UPI)
  NODE = Connection traversing PCIe as well as the interconnect between PCIe Host Bridges within a NUMA node
  PHB  = Connection traversing PCIe as well as a PCIe Host Bridge (typically the CPU)
  PXB  = Connection traversing multiple PCIe bridges (without traversing the PCIe Host Bridge)
  PIX  = Connection traversing at most a single PCIe bridge
  NV#  = Connection traversing a bonded set of # NVLinks
)";

}  // namespace

std::string cell_text(const Relation& relation) {
  if (relation.link == LinkClass::nvlink) return fmt::format("NV{}", relation.nvlinks);
  return std::string(name(relation.link));
}

std::string to_smi_text(const NodeTopology& node) {
  std::vector<std::string> devices = node.gpus;
  devices.insert(devices.end(), node.nics.begin(), node.nics.end());
  const bool affinity = any_text(node.cpu_affinity) || any_text(node.numa_affinity);
  std::string out;
  for (const std::string& device : devices) out.append("\t").append(device);
  if (affinity) out += "\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID";
  out += "\n";
  for (std::size_t i = 0; i < devices.size(); ++i) {
    out += devices[i];
    for (std::size_t j = 0; j < devices.size(); ++j)
      out.append("\t").append(i == j ? " X " : cell_text(node.relations[i][j]));
    if (affinity && i < node.gpus.size()) write_affinity(out, node, i);
    out += "\n";
  }
  out += legend;
  if (any_text(node.nic_names)) {
    out += "\nNIC Legend:\n\n";
    for (std::size_t i = 0; i < node.nics.size() && i < node.nic_names.size(); ++i)
      if (!node.nic_names[i].empty())
        fmt::format_to(std::back_inserter(out), "  {}: {}\n", node.nics[i], node.nic_names[i]);
  }
  return out;
}

}  // namespace trainyard
