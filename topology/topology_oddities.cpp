#include "topology/topology_oddities.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>

#include "topology/node_groups.hpp"
#include "topology/pcie_tree.hpp"

namespace trainyard {
namespace {

std::string names_of(const NodeTopology& node, const std::vector<int>& gpus) {
  std::vector<std::string> names;
  for (int gpu : gpus) names.push_back(node.gpus[static_cast<std::size_t>(gpu)]);
  return fmt::format("{}", fmt::join(names, ", "));
}

void lonely_gpus(const NodeTopology& node, std::vector<std::string>& out) {
  std::vector<int> alone;
  std::size_t joined = 0;
  for (const NvlinkIsland& island : nvlink_islands(node)) {
    if (island.gpus.size() == 1)
      alone.push_back(island.gpus.front());
    else
      joined += island.gpus.size();
  }
  if (alone.empty() || joined == 0) return;
  out.push_back(fmt::format(
      "{} {} no NVLink while the other {} GPUs have: every group with {} falls back to PCIe (a broken "
      "link or a missing bridge?)",
      names_of(node, alone), alone.size() == 1 ? "has" : "have", joined, alone.size() == 1 ? "it" : "them"));
}

void missing_gpu(const NodeTopology& node, std::vector<std::string>& out) {
  const std::size_t n = node.gpus.size();
  if (n < 3 || n % 2 == 0) return;
  out.push_back(
      fmt::format("{} GPUs: one of {} seems to be missing (fallen off the bus or hidden by a container); "
                  "power-of-two group sizes do not fill the node",
                  n, n + 1));
}

void uneven_nvlink(const NodeTopology& node, std::vector<std::string>& out) {
  for (const NvlinkIsland& island : nvlink_islands(node)) {
    if (island.gpus.size() > 2 && !island.all_to_all)
      out.push_back(
          fmt::format("NVLink joins {} only in part: pairs without a direct link use PCIe, so it matters which "
                      "ranks are neighbours",
                      names_of(node, island.gpus)));
    if (island.narrowest != island.widest)
      out.push_back(
          fmt::format("NVLink widths differ (NV{} to NV{}) among {}: the ring's speed depends on which GPUs form "
                      "a group",
                      island.narrowest, island.widest, names_of(node, island.gpus)));
  }
}

void permuted_nics(const NodeTopology& node, std::vector<std::string>& out) {
  if (node.nics.size() != node.gpus.size() || node.nics.size() < 2) return;
  std::vector<int> nearest;
  for (const auto& nics : near_nics(node)) {
    if (nics.size() != 1) return;
    nearest.push_back(nics.front());
  }
  if (std::is_sorted(nearest.begin(), nearest.end())) return;
  std::vector<std::string> pairs;
  for (std::size_t gpu = 0; gpu < nearest.size(); ++gpu)
    pairs.push_back(fmt::format("{}-{}", node.gpus[gpu], node.nics[static_cast<std::size_t>(nearest[gpu])]));
  out.push_back(
      fmt::format("the NICs are numbered in another order than the GPUs ({}): rails follow the nearest NIC, not "
                  "the number",
                  fmt::join(pairs, ", ")));
}

void distant_nics(const NodeTopology& node, std::vector<std::string>& out) {
  if (node.nics.empty()) return;
  std::vector<int> distant;
  const std::vector<std::vector<int>> near = near_nics(node);
  for (std::size_t gpu = 0; gpu < near.size(); ++gpu)
    if (near[gpu].empty()) distant.push_back(static_cast<int>(gpu));
  if (distant.empty()) return;
  if (distant.size() == node.gpus.size()) {
    out.emplace_back(
        "every GPU reaches every NIC as SYS (usual on Grace, or a container that hides the sockets): which NIC is "
        "nearest "
        "is unknown, so they are dealt out in order");
    return;
  }
  out.push_back(
      fmt::format("no NIC is near {} (SYS to all {}): {} traffic to other nodes crosses the sockets and shares the "
                  "NICs of other GPUs",
                  names_of(node, distant), node.nics.size(), distant.size() == 1 ? "its" : "their"));
}

// A GPU can be near NICs that others also use while its neighbours have none; shared NICs are normal, unequal shares
// not.
void unequal_shares(const NodeTopology& node, std::vector<std::string>& out) {
  std::vector<int> load(node.nics.size(), 0);
  const std::vector<std::vector<int>> near = near_nics(node);
  for (const auto& nics : near)
    for (int nic : nics) ++load[static_cast<std::size_t>(nic)];
  std::optional<double> least;
  double most = 0.0;
  for (const auto& nics : near) {
    if (nics.empty()) return;  // told by distant_nics
    double share = 0.0;
    for (int nic : nics) share += 1.0 / load[static_cast<std::size_t>(nic)];
    least = std::min(least.value_or(share), share);
    most = std::max(most, share);
  }
  if (least && most > 1.01 * *least)
    out.push_back(
        fmt::format("the GPUs' shares of the NICs are unequal ({:.2g} to {:.2g} NICs per GPU): the slowest GPU "
                    "paces collectives across nodes",
                    *least, most));
}

void no_tree(const NodeTopology& node, std::vector<std::string>& out) {
  const PcieTree tree = pcie_tree(node);
  const std::size_t n = node.relations.size();
  for (std::size_t a = 0; a < node.gpus.size(); ++a)  // between NICs nothing flows
    for (std::size_t b = a + 1; b < n; ++b) {
      const LinkClass told = node.relations[a][b].link;
      const LinkClass found = tree.between(static_cast<int>(a), static_cast<int>(b));
      if (told == LinkClass::nvlink || told == found) continue;
      const auto label = [&](std::size_t i) {
        return i < node.gpus.size() ? node.gpus[i] : node.nics[i - node.gpus.size()];
      };
      out.push_back(
          fmt::format("the PCIe relations are no tree: {}-{} is {} but their common neighbours make it {}, which "
                      "is used",
                      label(a), label(b), name(told), name(found)));
      return;
    }
}

}  // namespace

std::vector<std::string> topology_oddities(const NodeTopology& node) {
  std::vector<std::string> out;
  lonely_gpus(node, out);
  missing_gpu(node, out);
  uneven_nvlink(node, out);
  permuted_nics(node, out);
  distant_nics(node, out);
  unequal_shares(node, out);
  no_tree(node, out);
  return out;
}

}  // namespace trainyard
