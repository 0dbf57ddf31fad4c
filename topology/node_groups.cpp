#include "topology/node_groups.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace trainyard {
namespace {

constexpr int most_nvlinks_of_a_gpu = 18;

bool linked(const NodeTopology& node, int a, int b) {
  return a != b && node.relations[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)].link == LinkClass::nvlink;
}
int links(const NodeTopology& node, int a, int b) {
  return node.relations[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)].nvlinks;
}

void measure(const NodeTopology& node, NvlinkIsland& island) {
  for (std::size_t i = 0; i < island.gpus.size(); ++i)
    for (std::size_t j = i + 1; j < island.gpus.size(); ++j) {
      if (!linked(node, island.gpus[i], island.gpus[j])) {
        island.all_to_all = false;
        continue;
      }
      const int width = links(node, island.gpus[i], island.gpus[j]);
      island.narrowest = island.narrowest == 0 ? width : std::min(island.narrowest, width);
      island.widest = std::max(island.widest, width);
    }
}

}  // namespace

std::vector<NvlinkIsland> nvlink_islands(const NodeTopology& node) {
  const int n = static_cast<int>(node.gpus.size());
  std::vector<bool> seen(node.gpus.size(), false);
  std::vector<NvlinkIsland> islands;
  for (int first = 0; first < n; ++first) {
    if (seen[static_cast<std::size_t>(first)]) continue;
    NvlinkIsland island;
    island.gpus.push_back(first);
    seen[static_cast<std::size_t>(first)] = true;
    for (std::size_t next = 0; next < island.gpus.size(); ++next)
      for (int peer = 0; peer < n; ++peer)
        if (!seen[static_cast<std::size_t>(peer)] && linked(node, island.gpus[next], peer)) {
          seen[static_cast<std::size_t>(peer)] = true;
          island.gpus.push_back(peer);
        }
    std::sort(island.gpus.begin(), island.gpus.end());
    measure(node, island);
    islands.push_back(std::move(island));
  }
  return islands;
}

bool nvlink_needs_switch(const NodeTopology& node) {
  const int n = static_cast<int>(node.gpus.size());
  for (int gpu = 0; gpu < n; ++gpu) {
    int sum = 0;
    for (int peer = 0; peer < n; ++peer)
      if (linked(node, gpu, peer)) sum += links(node, gpu, peer);
    if (sum > most_nvlinks_of_a_gpu) return true;
  }
  return false;
}

std::vector<std::vector<int>> near_nics(const NodeTopology& node) {
  std::vector<std::vector<int>> near(node.gpus.size());
  for (std::size_t gpu = 0; gpu < near.size(); ++gpu) {
    LinkClass best = LinkClass::sys;
    for (std::size_t nic = 0; nic < node.nics.size(); ++nic)
      best = std::min(best, node.relations[gpu][node.gpus.size() + nic].link);
    for (std::size_t nic = 0; nic < node.nics.size() && best < LinkClass::sys; ++nic)
      if (node.relations[gpu][node.gpus.size() + nic].link == best) near[gpu].push_back(static_cast<int>(nic));
  }
  return near;
}

std::vector<std::vector<int>> nics_in_use(const NodeTopology& node) {
  std::vector<std::vector<int>> used = near_nics(node);
  if (node.nics.empty()) return used;
  std::vector<int> load(node.nics.size(), 0);
  for (const auto& nics : used)
    for (int nic : nics) ++load[static_cast<std::size_t>(nic)];
  const auto lost =
      static_cast<std::size_t>(std::count_if(used.begin(), used.end(), [](const auto& u) { return u.empty(); }));
  if (lost == 0) return used;
  const int least = *std::min_element(load.begin(), load.end());
  const auto idle = static_cast<std::size_t>(std::count(load.begin(), load.end(), least));
  const std::size_t each = std::max<std::size_t>(1, idle / lost);
  for (auto& nics : used) {
    if (!nics.empty()) continue;
    for (std::size_t k = 0; k < each; ++k) {
      const auto lightest = std::min_element(load.begin(), load.end());
      ++*lightest;
      nics.push_back(static_cast<int>(lightest - load.begin()));
    }
    std::sort(nics.begin(), nics.end());
  }
  return used;
}

}  // namespace trainyard
