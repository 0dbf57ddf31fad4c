#include "analysis/report/picture_topology_load.hpp"

#include <cmath>
#include <map>
#include <utility>

namespace trainyard {
namespace {

void note(NodeLoad& node, const LoadedLink& link) {
  const auto from = static_cast<std::size_t>(link.from), to = static_cast<std::size_t>(link.to);
  switch (link.kind) {
    case SharedLinkKind::nvlink_out:
      if (from < node.nvlink.size()) node.nvlink[from].add(link);
      if (to < node.nvlink.size()) node.nvlink[to].add(link);  // without a switch
      return;
    case SharedLinkKind::nvlink_in:
      if (to < node.nvlink.size()) node.nvlink[to].add(link);
      return;
    case SharedLinkKind::pcie:
      if (from < node.pcie.size()) node.pcie[from].add(link);
      if (to < node.pcie.size()) node.pcie[to].add(link);
      return;
    case SharedLinkKind::nic_out:
    case SharedLinkKind::nic_in:
      if (from < node.nic.size()) node.nic[from].add(link);
      return;
    case SharedLinkKind::socket:
      node.sockets.add(link);
      return;
    case SharedLinkKind::leaf_up:
    case SharedLinkKind::leaf_down:
      return;
  }
}

std::vector<long> in_percent(const NodeLoad& node) {
  std::vector<long> key;
  for (const std::vector<DuplexLoad>* part : {&node.nvlink, &node.pcie, &node.nic})
    for (const DuplexLoad& load : *part) key.push_back(std::lround(100 * load.busy));
  key.push_back(std::lround(100 * node.sockets.busy));
  return key;
}

}  // namespace

void DuplexLoad::add(const LoadedLink& link) {
  if (link.busy > busy || (link.busy == busy && link.bytes > bytes)) *this = {link.busy, link.bytes};
}

TopologyLoad topology_load(const Cluster& cluster, const std::vector<LoadedLink>& loads) {
  NodeLoad idle;
  idle.nvlink.resize(cluster.node.gpus.size());
  idle.pcie.resize(cluster.node.gpus.size());
  idle.nic.resize(cluster.node.nics.size());
  std::vector<NodeLoad> all(static_cast<std::size_t>(cluster.nodes), idle);
  TopologyLoad result;
  for (const LoadedLink& link : loads) {
    const bool leaf = link.kind == SharedLinkKind::leaf_up || link.kind == SharedLinkKind::leaf_down;
    if (leaf) result.uplinks.add(link);
    if (!leaf && link.node >= 0 && link.node < cluster.nodes) note(all[static_cast<std::size_t>(link.node)], link);
  }
  std::map<std::vector<long>, std::size_t> alike;
  for (std::size_t n = 0; n < all.size(); ++n) {
    const auto [known, added] = alike.try_emplace(in_percent(all[n]), result.nodes.size());
    if (added) result.nodes.push_back(std::move(all[n]));
    result.nodes[known->second].nodes.push_back(static_cast<int>(n));
  }
  return result;
}

std::vector<std::vector<int>> nearest_nics(const NodeTopology& node) {
  const std::size_t gpus = node.gpus.size(), nics = node.nics.size();
  std::vector<std::vector<int>> nearest;
  if (nics == 0 || node.relations.size() < gpus + nics) return nearest;
  for (std::size_t g = 0; g < gpus; ++g) {
    const auto link = [&](std::size_t n) { return node.relations[g][gpus + n].link; };
    std::vector<int> best;
    for (std::size_t n = 0; n < nics; ++n) {
      const bool nearer = !best.empty() && link(n) < link(static_cast<std::size_t>(best.front()));
      if (nearer) best.clear();
      if (best.empty() || link(n) == link(static_cast<std::size_t>(best.front()))) best.push_back(static_cast<int>(n));
    }
    if (best.size() == nics) best = {static_cast<int>(g * nics / gpus)};
    nearest.push_back(std::move(best));
  }
  return nearest;
}

}  // namespace trainyard
