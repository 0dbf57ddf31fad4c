#include "topology/stragglers_yaml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace trainyard {
namespace {

constexpr double least_factor = 1e-3;  // a part a thousand times slower is not slow but broken
constexpr double most_factor = 10.0;
constexpr double most_jitter = 0.5;  // half a kernel's duration: more would make durations negative

double factor(const YamlValue& value) { return value.as_number(least_factor, most_factor); }

std::string_view name(DegradedPart part) {
  switch (part) {
    case DegradedPart::nvlink:
      return "NVLink";
    case DegradedPart::pcie:
      return "PCIe";
    case DegradedPart::nic:
      return "NIC";
  }
  return "?";
}

class StragglerReader {
 public:
  explicit StragglerReader(Cluster& cluster) : cluster_(cluster), stragglers_(cluster.stragglers) {
    for (const SlowGpu& slow : stragglers_.gpus) gpus_.insert(slow.gpu);
    for (const DegradedLink& link : stragglers_.links) links_.insert({link.part, link.node, link.index});
  }

  void read(const YamlValue& value) {
    YamlMapping top(value);
    if (const auto gpus = top.optional("gpus"))
      for (const YamlValue& entry : gpus->as_sequence()) read_gpu(entry);
    if (const auto links = top.optional("links"))
      for (const YamlValue& entry : links->as_sequence()) read_link(entry);
    if (const auto jitter = top.optional("jitter")) stragglers_.jitter = jitter->as_number(0.0, most_jitter);
    if (const auto seed = top.optional("seed"))
      stragglers_.seed = static_cast<std::uint64_t>(seed->as_int(0, std::numeric_limits<long long>::max()));
    top.finish();
  }

 private:
  int node_of(const YamlValue& value) const { return static_cast<int>(value.as_int(0, cluster_.nodes - 1)); }

  // `gpu` counts inside `node`, or over the whole cluster without one.
  int global_gpu(const YamlValue& gpu, const std::optional<YamlValue>& node) const {
    if (!node) return static_cast<int>(gpu.as_int(0, cluster_.world_size() - 1));
    return node_of(*node) * cluster_.gpus_per_node() + static_cast<int>(gpu.as_int(0, cluster_.gpus_per_node() - 1));
  }

  void read_gpu(const YamlValue& entry) {
    YamlMapping slow(entry);
    const auto node = slow.optional("node");
    const int gpu = global_gpu(slow.required("gpu"), node);
    const double speed = factor(slow.required("speed"));
    slow.finish();
    if (!gpus_.insert(gpu).second) entry.fail(fmt::format("GPU {} is listed twice", gpu));
    stragglers_.gpus.push_back({gpu, speed});
  }

  void read_link(const YamlValue& entry) {
    YamlMapping link(entry);
    const auto node = link.optional("node");
    const auto nic = link.optional("nic");
    const auto gpu = link.optional("gpu");
    if (nic.has_value() == gpu.has_value())
      entry.fail("a degraded link is either a NIC's or a GPU's",
                 "{node: 1, nic: 3, bandwidth: 0.5} or {node: 0, gpu: 2, nvlink: 0.5}");
    if (nic) {
      const int on = node_of(link.required("node"));
      add(DegradedPart::nic, on, nic_index(*nic), link.required("bandwidth"));
    } else {
      read_gpu_links(link, global_gpu(*gpu, node));
    }
    link.finish();
  }

  void read_gpu_links(YamlMapping& link, int gpu) {
    const auto nvlink = link.optional("nvlink");
    const auto pcie = link.optional("pcie");
    if (!nvlink && !pcie) link.value().fail("missing key 'nvlink' or 'pcie' in " + link.value().path());
    const int node = gpu / cluster_.gpus_per_node();
    const int local = gpu % cluster_.gpus_per_node();
    if (nvlink) {
      if (!has_nvlink(local)) nvlink->fail(fmt::format("GPU {} of a node has no NVLink", local));
      add(DegradedPart::nvlink, node, local, *nvlink);
    }
    if (pcie) add(DegradedPart::pcie, node, local, *pcie);
  }

  bool has_nvlink(int local) const {
    const auto& row = cluster_.node.relations[static_cast<std::size_t>(local)];
    for (std::size_t peer = 0; peer < cluster_.node.gpus.size(); ++peer)
      if (static_cast<int>(peer) != local && row[peer].link == LinkClass::nvlink) return true;
    return false;
  }

  // By label or legend name first: a NIC may be called "0".
  int nic_index(const YamlValue& value) const {
    const NodeTopology& node = cluster_.node;
    if (node.nics.empty()) value.fail("the topology shows no NIC");
    const std::string text = value.as_string();
    for (std::size_t i = 0; i < node.nics.size(); ++i)
      if (node.nics[i] == text || (i < node.nic_names.size() && !text.empty() && node.nic_names[i] == text))
        return static_cast<int>(i);
    const bool number = !text.empty() && text.find_first_not_of("+-0123456789") == std::string::npos;
    if (number) return static_cast<int>(value.as_int(0, static_cast<long long>(node.nics.size()) - 1));
    std::vector<std::string> known = node.nics;
    known.insert(known.end(), node.nic_names.begin(), node.nic_names.end());
    value.fail(fmt::format("the topology has no NIC '{}'", text), did_you_mean(text, known));
  }

  void add(DegradedPart part, int node, int index, const YamlValue& bandwidth) {
    const double relative = factor(bandwidth);
    if (!links_.insert({part, node, index}).second)
      bandwidth.fail(fmt::format("{} {} of node {} is listed twice", name(part), index, node));
    stragglers_.links.push_back({part, node, index, relative});
  }

  Cluster& cluster_;
  Stragglers& stragglers_;
  std::set<int> gpus_;
  std::set<std::tuple<DegradedPart, int, int>> links_;
};

}  // namespace

void add_stragglers(Cluster& cluster, const YamlValue& value) { StragglerReader(cluster).read(value); }

void check_stragglers(const Cluster& cluster, const SourceLocation& where) {
  int last = 0;
  for (const SlowGpu& slow : cluster.stragglers.gpus) last = std::max(last, slow.gpu / cluster.gpus_per_node());
  for (const DegradedLink& link : cluster.stragglers.links) last = std::max(last, link.node);
  if (last >= cluster.nodes)
    throw InputError(where, fmt::format("stragglers name node {}, but there are {} nodes", last, cluster.nodes),
                     "nodes count from 0");
}

}  // namespace trainyard
