#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "analysis/validation/row_parts.hpp"

namespace trainyard::row {
namespace {

// What a network text says in numbers: "8x200Gb HDR IB", "RoCE 1600 Gbps/node", "3.2 Tbps per node".
struct NodeRate {
  BytesPerSecond per_node{};
  std::optional<int> nics;
};

BytesPerSecond bits_per_second(const std::string& number, const std::string& prefix) {
  const double giga = std::stod(number) * (lower(prefix) == "t" ? 1000.0 : 1.0);
  return BytesPerSecond(giga * 1e9 / 8.0);
}

std::optional<NodeRate> node_rate_in(const std::string& text) {
  static const std::regex counted(R"((\d{1,3})\s*x\s*(\d{1,5}(?:\.\d+)?)\s*([GT])b)", std::regex::icase);
  static const std::regex total(R"((\d{1,5}(?:\.\d+)?)\s*([GT])b(?:ps|it/s|/s)?\s*(?:/|per\s+)\s*node)",
                                std::regex::icase);
  std::smatch found;
  if (std::regex_search(text, found, counted)) {
    const int nics = std::stoi(found[1]);
    if (nics > 0) return NodeRate{nics * bits_per_second(found[2], found[3]), nics};
  }
  if (std::regex_search(text, found, total)) return NodeRate{bits_per_second(found[1], found[2]), std::nullopt};
  return std::nullopt;
}

// A node with some of its GPUs and NICs; `kept` are indices of its relations, GPUs before NICs.
NodeTopology part_of(const NodeTopology& node, const std::vector<std::size_t>& kept) {
  NodeTopology part;
  part.warnings = node.warnings;
  const auto copy = [](auto& to, const auto& from, std::size_t index) {
    if (index < from.size()) to.push_back(from[index]);  // legends and affinities may be absent
  };
  const std::size_t gpus = node.gpus.size();
  for (const std::size_t device : kept) {
    if (device < gpus) {
      part.gpus.push_back(node.gpus[device]);
      copy(part.cpu_affinity, node.cpu_affinity, device);
      copy(part.numa_affinity, node.numa_affinity, device);
    } else {
      part.nics.push_back(node.nics[device - gpus]);
      copy(part.nic_names, node.nic_names, device - gpus);
    }
    std::vector<Relation>& row = part.relations.emplace_back();
    for (const std::size_t other : kept) row.push_back(node.relations[device][other]);
  }
  return part;
}

NodeTopology first_gpus(const NodeTopology& node, std::size_t count) {
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < node.gpus.size() + node.nics.size(); ++i)
    if (i < count || i >= node.gpus.size()) kept.push_back(i);
  return part_of(node, kept);
}

// Captures list NICs by PCIe position, so that every n-th one leaves each switch its share.
NodeTopology every_nth_nic(const NodeTopology& node, std::size_t n) {
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < node.gpus.size(); ++i) kept.push_back(i);
  for (std::size_t nic = 0; nic < node.nics.size(); nic += n) kept.push_back(node.gpus.size() + nic);
  return part_of(node, kept);
}

void set_size(Cluster& cluster, const PublishedRun& run, Notes& notes) {
  if (!run.gpus) throw RowSkipped{"number of GPUs not published"};
  const std::int64_t preset = cluster.gpus_per_node();
  std::int64_t per_node = run.gpus_per_node.value_or(preset);
  if (per_node > preset && cluster.nodes_per_nvlink_domain > 1) per_node = preset;  // a table's "node" is the rack
  if (per_node > preset)
    throw RowSkipped{fmt::format("{} GPUs per node, but cluster {} has {}", per_node, cluster.name, preset)};
  per_node = std::min(per_node, *run.gpus);
  if (*run.gpus % per_node != 0) throw RowSkipped{fmt::format("{} GPUs do not fill nodes of {}", *run.gpus, per_node)};
  if (per_node < preset) {
    cluster.node = first_gpus(cluster.node, static_cast<std::size_t>(per_node));
    notes.push_back(fmt::format("the first {} of the node's {} GPUs", per_node, preset));
  }
  cluster.nodes = static_cast<int>(*run.gpus / per_node);
  cluster.nodes_per_nvlink_domain = std::min(cluster.nodes_per_nvlink_domain, cluster.nodes);
}

void set_nics(Cluster& cluster, const NodeRate& rate, Notes& notes) {
  const std::size_t preset = cluster.node.nics.size();
  if (preset == 0) return;
  const auto nics = static_cast<std::size_t>(rate.nics.value_or(static_cast<int>(preset)));
  if (nics < preset && preset % nics == 0)
    cluster.node = every_nth_nic(cluster.node, preset / nics);
  else if (nics != preset)
    notes.push_back(fmt::format("{} NICs spread over the {} of cluster {}", nics, preset, cluster.name));
  cluster.nic_bandwidth = rate.per_node / static_cast<double>(cluster.node.nics.size());
}

void set_network(Cluster& cluster, const PublishedRun& run, const ClusterRule& rule, const HardwareRules& rules,
                 Notes& notes) {
  if (rule.nics || rule.nic_bandwidth) {
    const int nics = rule.nics.value_or(static_cast<int>(cluster.node.nics.size()));
    set_nics(cluster, {nics * rule.nic_bandwidth.value_or(cluster.nic_bandwidth), nics}, notes);
  } else if (const std::optional<NodeRate> rate = node_rate_in(run.network)) {
    set_nics(cluster, *rate, notes);
  } else if (cluster.nodes > 1) {
    notes.push_back(fmt::format("NIC rate not published: that of cluster {}", cluster.name));
  }
  for (const NetworkRule& network : rules.networks) {
    if (!network.network.matches(run.network)) continue;
    if (network.hardware && !network.hardware->matches(run.hardware)) continue;
    cluster.fabric.network = network.profile;
    return;
  }
}

}  // namespace

Cluster cluster_of(const PublishedRun& run, const HardwareRules& rules, const Presets& presets, Notes& notes) {
  const ClusterRule* rule = cluster_rule_for(rules, run);
  if (!rule) throw RowSkipped{fmt::format("no cluster preset for hardware '{}'", run.hardware)};
  if (!rule->skip.empty()) throw RowSkipped{rule->skip};
  std::optional<Cluster> cluster = presets.cluster(rule->cluster);
  if (!cluster) throw RowSkipped{fmt::format("cluster preset '{}' does not exist", rule->cluster)};
  if (!rule->note.empty()) notes.push_back(rule->note);
  set_size(*cluster, run, notes);
  set_network(*cluster, run, *rule, rules, notes);
  return *std::move(cluster);
}

}  // namespace trainyard::row
