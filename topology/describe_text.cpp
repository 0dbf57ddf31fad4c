#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "topology/describe.hpp"
#include "topology/nvidia_smi_topo.hpp"
#include "topology/routes.hpp"

namespace trainyard {
namespace {

template <class... Args>
void line(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
  out.push_back('\n');
}

// "GPU0-GPU3, GPU6": runs of consecutive device indices of one kind are shortened.
std::string runs(const NodeTopology& node, const std::vector<int>& devices) {
  const int gpus = static_cast<int>(node.gpus.size());
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < devices.size();) {
    std::size_t end = i;
    while (end + 1 < devices.size() && devices[end + 1] == devices[end] + 1 &&
           (devices[end + 1] < gpus) == (devices[i] < gpus))
      ++end;
    const std::string first = device_name(node, devices[i]);
    parts.push_back(
        end == i ? first : fmt::format("{}{}{}", first, end == i + 1 ? ", " : "-", device_name(node, devices[end])));
    i = end + 1;
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

void write_matrix(std::string& out, const TopologyDescription& d) {
  const int devices = static_cast<int>(d.node.relations.size());
  std::size_t width = 4;
  for (int i = 0; i < devices; ++i) width = std::max(width, device_name(d.node, i).size());
  std::string header(width, ' ');
  for (int j = 0; j < devices; ++j) header += fmt::format("  {:<{}}", device_name(d.node, j), width);
  line(out, "{}", header.substr(0, header.find_last_not_of(' ') + 1));
  for (int i = 0; i < devices; ++i) {
    std::string row = fmt::format("{:<{}}", device_name(d.node, i), width);
    for (int j = 0; j < devices; ++j) {
      const Relation& r = d.node.relations[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
      row += fmt::format("  {:<{}}", i == j ? "X" : cell_text(r), width);
    }
    line(out, "{}", row.substr(0, row.find_last_not_of(' ') + 1));
  }
}

std::string width_text(const NvlinkIsland& island, bool by_switch) {
  if (island.gpus.size() < 2) return "no NVLink";
  const std::string pairs = island.all_to_all ? "every pair" : "some pairs";
  const std::string how = by_switch ? ", through NVSwitch" : ", point to point";
  if (island.narrowest == island.widest) return fmt::format("NV{} on {}{}", island.widest, pairs, how);
  return fmt::format("NV{} to NV{} on {}{}", island.narrowest, island.widest, pairs, how);
}

void write_islands(std::string& out, const TopologyDescription& d) {
  const bool any =
      std::any_of(d.islands.begin(), d.islands.end(), [](const NvlinkIsland& i) { return i.gpus.size() > 1; });
  if (!any) {
    line(out, "NVLink islands: none");
    return;
  }
  line(out, "NVLink islands:");
  for (const NvlinkIsland& island : d.islands)
    line(out, "  {}: {}", runs(d.node, island.gpus), width_text(island, d.nvlink_switch));
}

void write_groups(std::string& out, const TopologyDescription& d) {
  line(out, "PCIe and NUMA groups:");
  for (const PcieGroup& group : d.pcie.groups) {
    const bool told = group.level == LinkClass::node || group.devices.size() > 1;
    if (group.level == LinkClass::sys || !told) continue;
    line(out, "  {:<4} {}", name(group.level), runs(d.node, group.devices));
  }
}

void write_nics(std::string& out, const TopologyDescription& d) {
  if (d.node.nics.empty()) {
    line(out, "Nearest NIC: the topology shows no NIC");
    return;
  }
  line(out, "Nearest NIC:");
  for (std::size_t gpu = 0; gpu < d.node.gpus.size(); ++gpu) {
    std::vector<std::string> nics;
    for (int nic : d.nearest_nics[gpu]) {
      const auto n = static_cast<std::size_t>(nic);
      const std::string legend =
          n < d.node.nic_names.size() && !d.node.nic_names[n].empty() ? fmt::format(" ({})", d.node.nic_names[n]) : "";
      nics.push_back(d.node.nics[n] + legend);
    }
    const std::string how =
        nics.empty()
            ? "none, all are SYS"
            : fmt::format(
                  "{}, {}", fmt::join(nics, ", "),
                  cell_text(
                      d.node.relations[gpu][d.node.gpus.size() + static_cast<std::size_t>(d.nearest_nics[gpu][0])]));
    line(out, "  {}: {}", d.node.gpus[gpu], how);
  }
}

std::string pair_text(const TopologyDescription& d, const DevicePair& pair) {
  return fmt::format("{}-{} {}", device_name(d.node, pair.a), device_name(d.node, pair.b), cell_text(pair.relation));
}

void write_cluster(std::string& out, const Cluster& c) {
  line(out, "Cluster: {} node{} of {} {} ({} each), {} GPUs", c.nodes, c.nodes == 1 ? "" : "s", c.gpus_per_node(),
       c.gpu, to_text(c.gpu_memory), c.world_size());
  line(out, "Per direction: NVLink {} per link, PCIe {}, between sockets {}, NIC {}",
       c.nvlink_bandwidth.value > 0 ? to_text(c.nvlink_bandwidth) : "none", to_text(c.pcie_bandwidth),
       to_text(c.socket_bandwidth), c.nic_bandwidth.value > 0 ? to_text(c.nic_bandwidth) : "none");
  if (c.nodes_per_nvlink_domain > 1)
    line(out, "NVLink domain: {} nodes share one NVLink switch", c.nodes_per_nvlink_domain);
  const std::string leaf =
      c.fabric.nodes_per_leaf > 0 ? fmt::format(", {} nodes per leaf", c.fabric.nodes_per_leaf) : "";
  line(out, "Fabric: {}{}, oversubscription {}:1, network {}", name(c.fabric.kind), leaf, c.fabric.oversubscription,
       c.fabric.network.empty() ? "none" : c.fabric.network);
  if (c.node.nics.empty()) return;
  const Routes routes(c);
  BytesPerSecond least = routes.nic_share(0);
  for (int gpu = 1; gpu < c.gpus_per_node(); ++gpu) least = std::min(least, routes.nic_share(gpu));
  line(out, "To other nodes: {} per GPU when all send at once", to_text(least));
}

}  // namespace

std::string topology_text(const TopologyDescription& d) {
  std::string out;
  line(out, "{}: {} GPU{}, {} NIC{}", d.name, d.node.gpus.size(), d.node.gpus.size() == 1 ? "" : "s",
       d.node.nics.size(), d.node.nics.size() == 1 ? "" : "s");
  out.push_back('\n');
  write_matrix(out, d);
  out.push_back('\n');
  if (d.cluster) write_cluster(out, *d.cluster);
  write_islands(out, d);
  write_groups(out, d);
  write_nics(out, d);
  if (d.best_gpu_pair) line(out, "Best GPU pair:  {}", pair_text(d, *d.best_gpu_pair));
  if (d.worst_gpu_pair) line(out, "Worst GPU pair: {}", pair_text(d, *d.worst_gpu_pair));
  if (!d.node.warnings.empty()) line(out, "Warnings:");
  for (const std::string& warning : d.node.warnings) line(out, "  - {}", warning);
  return out;
}

}  // namespace trainyard
