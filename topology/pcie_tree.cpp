#include "topology/pcie_tree.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>
#include <string>

namespace trainyard {
namespace {

using Labels = std::vector<int>;  // group number of each device

int root_of(Labels& parent, int x) {
  while (parent[static_cast<std::size_t>(x)] != x) x = parent[static_cast<std::size_t>(x)];
  return x;
}
void join(Labels& parent, int a, int b) {
  const int low = std::min(root_of(parent, a), root_of(parent, b));
  const int high = std::max(root_of(parent, a), root_of(parent, b));
  parent[static_cast<std::size_t>(high)] = low;
}

// Whether the matrix puts a device of one component across the sockets from a device of the other.
bool told_apart(const NodeTopology& node, Labels& parent, int a, int b) {
  const int n = static_cast<int>(node.relations.size());
  for (int i = 0; i < n; ++i) {
    if (root_of(parent, i) != root_of(parent, a)) continue;
    for (int j = 0; j < n; ++j)
      if (root_of(parent, j) == root_of(parent, b) &&
          node.relations[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)].link == LinkClass::sys)
        return true;
  }
  return false;
}

std::string affinity(const std::vector<std::string>& of, std::size_t gpu) {
  return gpu < of.size() && of[gpu] != "N/A" ? of[gpu] : std::string{};
}

// GPUs whose PCIe relation NVLink hides meet in the socket that their affinity names, unless a third device tells them
// apart; without affinities in one socket, the least one can assume.
void join_by_affinity(const NodeTopology& node, Labels& parent) {
  for (std::size_t a = 0; a < node.gpus.size(); ++a)
    for (std::size_t b = a + 1; b < node.gpus.size(); ++b) {
      const int first = static_cast<int>(a);
      const int second = static_cast<int>(b);
      if (node.relations[a][b].link != LinkClass::nvlink || root_of(parent, first) == root_of(parent, second)) continue;
      const bool numa_known = !affinity(node.numa_affinity, a).empty() && !affinity(node.numa_affinity, b).empty();
      const std::vector<std::string>& known = numa_known ? node.numa_affinity : node.cpu_affinity;
      if (affinity(known, a) == affinity(known, b) && !told_apart(node, parent, first, second))
        join(parent, first, second);
    }
}

}  // namespace

LinkClass PcieTree::between(int a, int b) const {
  std::optional<int> group = group_of_device[static_cast<std::size_t>(a)];
  while (group) {
    const PcieGroup& g = groups[static_cast<std::size_t>(*group)];
    if (std::binary_search(g.devices.begin(), g.devices.end(), b)) return g.level;
    group = g.parent;
  }
  return LinkClass::sys;
}

PcieTree pcie_tree(const NodeTopology& node) {
  const std::size_t n = node.relations.size();
  PcieTree tree;
  tree.group_of_device.assign(n, 0);
  std::vector<std::optional<int>> outermost(n);  // outermost group so far of each device
  Labels parent(n);
  std::iota(parent.begin(), parent.end(), 0);
  constexpr std::array levels = {LinkClass::pix, LinkClass::pxb, LinkClass::phb, LinkClass::node, LinkClass::sys};
  for (LinkClass level : levels) {
    for (std::size_t a = 0; a < n; ++a)
      for (std::size_t b = a + 1; b < n; ++b)
        if (node.relations[a][b].link == level || level == LinkClass::sys)
          join(parent, static_cast<int>(a), static_cast<int>(b));
    if (level == LinkClass::node) join_by_affinity(node, parent);
    std::vector<std::vector<int>> members(n);
    for (std::size_t d = 0; d < n; ++d)
      members[static_cast<std::size_t>(root_of(parent, static_cast<int>(d)))].push_back(static_cast<int>(d));
    for (const std::vector<int>& devices : members) {
      if (devices.empty()) continue;
      const std::optional<int> inner = outermost[static_cast<std::size_t>(devices.front())];
      const bool nothing_new =
          inner ? tree.groups[static_cast<std::size_t>(*inner)].devices == devices : devices.size() == 1;
      const bool must_exist = level == LinkClass::node || level == LinkClass::sys;
      if (nothing_new && !must_exist) continue;
      const int index = static_cast<int>(tree.groups.size());
      for (int device : devices) {
        const auto d = static_cast<std::size_t>(device);
        if (outermost[d]) tree.groups[static_cast<std::size_t>(*outermost[d])].parent = index;
        if (!outermost[d]) tree.group_of_device[d] = index;
        outermost[d] = index;
      }
      tree.groups.push_back({level, devices, std::nullopt});
    }
  }
  return tree;
}

}  // namespace trainyard
