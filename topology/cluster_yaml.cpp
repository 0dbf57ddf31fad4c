#include "topology/cluster_yaml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <utility>

#include "sim/base/scenario_files.hpp"
#include "topology/job_nics.hpp"
#include "topology/node_groups.hpp"
#include "topology/stragglers_yaml.hpp"
#include "topology/topology_file.hpp"
#include "topology/topology_oddities.hpp"

namespace trainyard {
namespace {

constexpr BytesPerSecond least_bandwidth{1e6};  // 1 MB/s and 100 TB/s: beyond these a unit was mistyped
constexpr BytesPerSecond most_bandwidth{1e14};
constexpr Bytes least_memory{1e9};
constexpr Bytes most_memory{1e14};

BytesPerSecond checked_bandwidth(const YamlValue& value) {
  const BytesPerSecond bandwidth = value.as_bandwidth();
  if (bandwidth < least_bandwidth || bandwidth > most_bandwidth)
    value.fail(fmt::format("{} is {}, outside {} to {}", value.path(), value.as_string(), to_text(least_bandwidth),
                           to_text(most_bandwidth)));
  return bandwidth;
}

Bytes checked_memory(const YamlValue& value) {
  const Bytes memory = value.as_bytes();
  if (memory < least_memory || memory > most_memory)
    value.fail(fmt::format("{} is {}, outside {} to {}", value.path(), value.as_string(), to_text(least_memory),
                           to_text(most_memory)));
  return memory;
}

std::string folder_of(const YamlValue& value) {
  return std::filesystem::path(value.where().file).parent_path().string();
}

// What scenarios/clusters/defaults/gpu_links.yaml says about a GPU.
struct GpuLinks {
  std::optional<Bytes> memory;
  std::optional<BytesPerSecond> nvlink;
  std::optional<BytesPerSecond> pcie;
  std::optional<BytesPerSecond> socket;
};

GpuLinks gpu_links(const std::string& gpu, std::vector<std::string>& known) {
  YamlMapping table(read_yaml_file(scenario_file("clusters/defaults", "gpu_links")));
  known = table.keys();
  GpuLinks links;
  const std::optional<YamlValue> entry = table.optional(gpu);
  if (!entry) return links;
  YamlMapping row(*entry);
  if (auto v = row.optional("memory")) links.memory = checked_memory(*v);
  if (auto v = row.optional("nvlink_bandwidth_per_link")) links.nvlink = checked_bandwidth(*v);
  if (auto v = row.optional("pcie_bandwidth")) links.pcie = checked_bandwidth(*v);
  if (auto v = row.optional("socket_bandwidth")) links.socket = checked_bandwidth(*v);
  row.finish();
  return links;
}

class ClusterReader {
 public:
  ClusterReader(YamlMapping& top, Cluster& cluster) : top_(top), cluster_(cluster) {}

  void read() {
    read_node();
    defaults_ = gpu_links(cluster_.gpu, known_gpus_);
    cluster_.gpu_memory = chosen(top_, "gpu_memory", defaults_.memory, checked_memory);
    cluster_.pcie_bandwidth = chosen(top_, "pcie_bandwidth", defaults_.pcie, checked_bandwidth);
    cluster_.socket_bandwidth = chosen(top_, "socket_bandwidth", defaults_.socket, checked_bandwidth);
    read_nvlink();
    read_nics();
    read_fabric();
  }

 private:
  template <class Quantity>
  Quantity chosen(YamlMapping& mapping, std::string_view key, const std::optional<Quantity>& usual,
                  Quantity (*read_value)(const YamlValue&)) {
    if (const std::optional<YamlValue> value = mapping.optional(key)) return read_value(*value);
    if (usual) return *usual;
    std::string hint = did_you_mean(cluster_.gpu, known_gpus_);
    if (hint.empty()) hint = fmt::format("known GPUs: {}", fmt::join(known_gpus_, ", "));
    mapping.value().fail(fmt::format("missing key '{}', and no default is known for gpu '{}'", key, cluster_.gpu),
                         hint);
  }

  void read_node() {
    const std::optional<YamlValue> gpu = top_.optional("gpu");
    YamlMapping node(top_.required("node"));
    const std::optional<YamlValue> node_gpu = node.optional("gpu");
    if (gpu && node_gpu) node_gpu->fail("the GPU is given twice, as gpu and as node.gpu");
    cluster_.gpu = gpu ? gpu->as_string() : node_gpu ? node_gpu->as_string() : top_.required("gpu").as_string();
    if (cluster_.gpu.empty()) (gpu ? *gpu : *node_gpu).fail("the GPU has an empty name", "such as h100-sxm-80gb");
    const std::optional<YamlValue> file = node.optional_of({"topology", "nccl_xml"});
    if (!file)
      node.value().fail("missing key 'topology' in node",
                        "a capture of `nvidia-smi topo -m`: without one the links are unknown");
    node.finish();
    const TopologyFile topology = read_topology(*file);
    cluster_.node = topology.node;
    stated_nic_bandwidth_ = topology.nic_bandwidth;
  }

  static TopologyFile read_topology(const YamlValue& file) {
    std::string found;
    try {
      found = scenario_file("topologies", file.as_string(), folder_of(file));
    } catch (const InputError& e) {
      file.fail(fmt::format("node.topology '{}': {}", file.as_string(), e.message()), e.hint());
    }
    return read_topology_file(found);
  }

  bool has_nvlink() const {
    const std::vector<NvlinkIsland> islands = nvlink_islands(cluster_.node);
    return std::any_of(islands.begin(), islands.end(), [](const NvlinkIsland& i) { return i.gpus.size() > 1; });
  }

  void read_nvlink() {
    const std::optional<YamlValue> section = top_.optional("nvlink");
    if (!section) {
      if (!has_nvlink()) return;
      cluster_.nvlink_bandwidth = chosen(top_, "nvlink", defaults_.nvlink, checked_bandwidth);
      cluster_.nvlink_switch = nvlink_needs_switch(cluster_.node);
      return;
    }
    YamlMapping nvlink(*section);
    if (const auto links = nvlink.optional("links")) join_all(*links);
    if (!has_nvlink())
      section->fail("the topology shows no NVLink", "remove nvlink, or state nvlink.links if the file cannot show it");
    cluster_.nvlink_bandwidth = chosen(nvlink, "bandwidth_per_link", defaults_.nvlink, checked_bandwidth);
    const auto by_switch = nvlink.optional("switch");
    cluster_.nvlink_switch = by_switch ? by_switch->as_bool() : nvlink_needs_switch(cluster_.node);
    if (by_switch && !cluster_.nvlink_switch && nvlink_needs_switch(cluster_.node))
      by_switch->fail("the matrix gives a GPU more than 18 NVLinks to its peers together, which only a switch can");
    if (const auto multicast = nvlink.optional("multicast")) {
      cluster_.nvlink_multicast = multicast->as_bool();
      if (cluster_.nvlink_multicast && !cluster_.nvlink_switch) multicast->fail("multicast needs an NVLink switch");
    }
    if (const auto domain = nvlink.optional("domain_nodes")) read_domain(*domain);
    nvlink.finish();
  }

  // A cloud's template XML lists PCIe only; the user may add what every such node has.
  void join_all(const YamlValue& links) {
    if (has_nvlink()) links.fail("the topology already shows its NVLinks");
    const int count = static_cast<int>(links.as_int(1, 36));
    for (std::size_t a = 0; a < cluster_.node.gpus.size(); ++a)
      for (std::size_t b = 0; b < cluster_.node.gpus.size(); ++b)
        if (a != b) cluster_.node.relations[a][b] = {LinkClass::nvlink, count};
    cluster_.node.warnings = topology_oddities(cluster_.node);
  }

  void read_domain(const YamlValue& domain) {
    cluster_.nodes_per_nvlink_domain = static_cast<int>(domain.as_int(1, most_nodes));
    if (cluster_.nodes_per_nvlink_domain == 1) return;
    if (!cluster_.nvlink_switch) domain.fail("an NVLink domain of several nodes needs an NVLink switch");
    if (nvlink_islands(cluster_.node).size() != 1)
      domain.fail("an NVLink domain of several nodes needs every GPU of the node on NVLink, which the matrix denies");
  }

  void read_nics() {
    const std::optional<YamlValue> section = top_.optional("nics");
    if (!section) {
      if (stated_nic_bandwidth_) cluster_.nic_bandwidth = *stated_nic_bandwidth_;
      return;
    }
    YamlMapping nics(*section);
    if (const auto only = nics.optional("only")) keep_nics(cluster_.node, only->as_sequence());
    const auto count = nics.optional("count");
    if (count) check_nic_count(cluster_.node, *count);
    cluster_.nic_bandwidth = chosen(nics, "bandwidth", stated_nic_bandwidth_, checked_bandwidth);
    if (cluster_.node.nics.empty())
      section->fail("a NIC bandwidth is given, but the topology shows no NIC",
                    "state nics.count to assume NICs near the GPUs");
    nics.finish();
  }

  void read_fabric() {
    const std::optional<YamlValue> section = top_.optional("fabric");
    if (!section) return;
    YamlMapping fabric(*section);
    if (const auto kind = fabric.optional("kind")) {
      const std::string text = kind->as_choice({"single-switch", "fat-tree", "rail-optimised"});
      cluster_.fabric.kind = text == "fat-tree"         ? FabricKind::fat_tree
                             : text == "rail-optimised" ? FabricKind::rail_optimised
                                                        : FabricKind::single_switch;
    }
    const auto leaf = fabric.optional("nodes_per_leaf");
    if (leaf) cluster_.fabric.nodes_per_leaf = static_cast<int>(leaf->as_int(1, most_nodes));
    if (leaf && cluster_.fabric.kind == FabricKind::single_switch)
      leaf->fail("a single switch has no leaves", "fabric.kind: fat-tree or rail-optimised");
    if (const auto ratio = fabric.optional("oversubscription")) {
      cluster_.fabric.oversubscription = ratio->as_number(1.0, 1000.0);
      if (cluster_.fabric.oversubscription > 1.0 && !leaf)
        ratio->fail("oversubscription needs nodes_per_leaf: without it nobody crosses the spine");
    }
    if (const auto network = fabric.optional("network")) cluster_.fabric.network = network->as_choice(network_names());
    fabric.finish();
  }

  YamlMapping& top_;
  Cluster& cluster_;
  GpuLinks defaults_;
  std::vector<std::string> known_gpus_;
  std::optional<BytesPerSecond> stated_nic_bandwidth_;
};

}  // namespace

std::vector<std::string> network_names() {
  return {"infiniband", "roce", "efa", "efa-v1", "efa-v2", "efa-v3", "tcpx", "tcpxo", "slingshot", "ethernet"};
}

Cluster with_nodes(Cluster cluster, int nodes, const SourceLocation& where) {
  if (nodes < 1 || nodes > most_nodes)
    throw InputError(where, fmt::format("nodes is {}, outside 1 to {}", nodes, most_nodes));
  if (nodes > cluster.nodes_per_nvlink_domain) {
    if (cluster.node.nics.empty())
      throw InputError(where, fmt::format("{} nodes, but the topology of a node shows no NIC", nodes),
                       "state nics: {count: …, bandwidth: …} to assume NICs near the GPUs");
    if (cluster.nic_bandwidth.value <= 0)
      throw InputError(where, fmt::format("{} nodes, but no nics.bandwidth", nodes));
    if (cluster.fabric.network.empty())
      throw InputError(where, fmt::format("{} nodes, but no fabric.network", nodes),
                       fmt::format("one of {}", fmt::join(network_names(), ", ")));
  }
  cluster.nodes = nodes;
  check_stragglers(cluster, where);
  return cluster;
}

Cluster read_cluster(const YamlValue& value, std::optional<int> nodes) {
  if (value.is_scalar()) {
    std::string file;
    try {
      file = scenario_file("clusters", value.as_string(), folder_of(value));
    } catch (const InputError& e) {
      value.fail(e.message(), e.hint());
    }
    return read_cluster(read_yaml_file(file), nodes);
  }
  YamlMapping top(value);
  Cluster cluster;
  const auto name = top.optional("name");
  cluster.name = name ? name->as_string() : std::filesystem::path(value.where().file).stem().string();
  const auto stated_nodes = top.optional("nodes");
  ClusterReader(top, cluster).read();
  const auto stragglers = top.optional("stragglers");
  top.finish();
  const int count = stated_nodes ? static_cast<int>(stated_nodes->as_int(1, most_nodes)) : 1;
  cluster = with_nodes(std::move(cluster), nodes.value_or(count), stated_nodes ? stated_nodes->where() : value.where());
  if (stragglers) add_stragglers(cluster, *stragglers);
  return cluster;
}

Cluster read_cluster_file(std::string_view name_or_path, std::optional<int> nodes) {
  return read_cluster(read_yaml_file(scenario_file("clusters", name_or_path)), nodes);
}

}  // namespace trainyard
