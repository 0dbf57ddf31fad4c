#include "topology/job_nics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "topology/topology_oddities.hpp"

namespace trainyard {
namespace {

std::size_t nic_called(const NodeTopology& node, const YamlValue& name) {
  const std::string text = name.as_string();
  for (std::size_t i = 0; i < node.nics.size(); ++i)
    if (node.nics[i] == text || (i < node.nic_names.size() && node.nic_names[i] == text)) return i;
  std::vector<std::string> known = node.nics;
  known.insert(known.end(), node.nic_names.begin(), node.nic_names.end());
  name.fail(fmt::format("the topology has no NIC '{}'", text), did_you_mean(text, known));
}

void assume_nics(NodeTopology& node, std::size_t count) {
  const std::size_t gpus = node.gpus.size();
  for (std::size_t i = 0; i < count; ++i) node.nics.push_back(fmt::format("NIC{}", i));
  node.nic_names.resize(count);
  node.relations.resize(gpus + count);
  for (auto& row : node.relations) row.resize(gpus + count);
  for (std::size_t gpu = 0; gpu < gpus; ++gpu)
    for (std::size_t nic = 0; nic < count; ++nic) {
      const bool beside = count <= gpus ? nic == gpu * count / gpus : gpu == nic * gpus / count;
      const Relation relation{beside ? LinkClass::pxb : LinkClass::sys, 0};
      node.relations[gpu][gpus + nic] = relation;
      node.relations[gpus + nic][gpu] = relation;
    }
  node.warnings.push_back(fmt::format(
      "the topology shows no NIC: {} are assumed, spread evenly over the GPUs; a capture with NICs would say which",
      count));
}

}  // namespace

void keep_nics(NodeTopology& node, const std::vector<YamlValue>& names) {
  const std::size_t gpus = node.gpus.size();
  std::vector<std::size_t> kept;
  for (const YamlValue& name : names) {
    kept.push_back(nic_called(node, name));
    if (std::count(kept.begin(), kept.end(), kept.back()) > 1) name.fail("this NIC is listed twice");
  }
  std::sort(kept.begin(), kept.end());
  NodeTopology reduced = node;
  reduced.nics.clear();
  reduced.nic_names.clear();
  std::vector<std::size_t> devices;
  for (std::size_t gpu = 0; gpu < gpus; ++gpu) devices.push_back(gpu);
  for (std::size_t nic : kept) {
    devices.push_back(gpus + nic);
    reduced.nics.push_back(node.nics[nic]);
    reduced.nic_names.push_back(node.nic_names[nic]);
  }
  reduced.relations.assign(devices.size(), std::vector<Relation>(devices.size()));
  for (std::size_t a = 0; a < devices.size(); ++a)
    for (std::size_t b = 0; b < devices.size(); ++b) reduced.relations[a][b] = node.relations[devices[a]][devices[b]];
  reduced.warnings = topology_oddities(reduced);
  node = std::move(reduced);
}

void check_nic_count(NodeTopology& node, const YamlValue& count) {
  const auto wanted = static_cast<std::size_t>(count.as_int(1, 512));
  if (node.nics.empty()) assume_nics(node, wanted);
  if (node.nics.size() != wanted)
    count.fail(fmt::format("nics.count is {}, but the topology shows {} NICs", wanted, node.nics.size()),
               "nics.only: [names] chooses those that carry the job");
}

}  // namespace trainyard
