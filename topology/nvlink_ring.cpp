#include "topology/nvlink_ring.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace trainyard {
namespace {

constexpr int most_searched = 8;
constexpr int search_effort = 4000;  // steps; the DGX-1 mesh needs a few hundred
using Links = std::array<std::array<int, most_searched>, most_searched>;

// Packs undirected Hamiltonian cycles into the free links, depth first.
class RingPacking {
 public:
  RingPacking(const Links& links, int members) : free_(links), left_over_(links), members_(members) {
    most_ = links_of(0) / 2;
    for (int m = 1; m < members_; ++m) most_ = std::min(most_, links_of(m) / 2);
  }
  int rings() {
    begin_ring(0);
    return best_;
  }
  // After rings(): the links that its rings leave over, each pair once, the lower member first.
  const Links& left_over() const { return left_over_; }

 private:
  int links_of(int m) const {
    int sum = 0;
    for (int peer = 0; peer < members_; ++peer)
      sum += free_[static_cast<std::size_t>(m)][static_cast<std::size_t>(peer)];
    return sum;
  }
  int& between(int a, int b) {
    return free_[static_cast<std::size_t>(std::min(a, b))][static_cast<std::size_t>(std::max(a, b))];
  }
  void take(int a, int b, int count) { between(a, b) -= count; }
  // The unvisited member with the most free links to `last`; nothing left: -1, only inside this class.
  int widest_from(int last, unsigned excluded) {
    int widest = -1;
    for (int next = 1; next < members_; ++next) {
      if ((excluded & (1U << static_cast<unsigned>(next))) != 0 || between(last, next) == 0) continue;
      if (widest < 0 || between(last, next) > between(last, widest)) widest = next;
    }
    return widest;
  }
  bool done() const { return best_ == most_ || effort_ >= search_effort; }

  void begin_ring(int found) {
    if (found > best_) left_over_ = free_;
    best_ = std::max(best_, found);
    if (!done()) extend(found, 0, 1U, 1);
  }
  void extend(int found, int last, unsigned visited, int length) {
    ++effort_;
    if (length == members_) {
      if (between(last, 0) == 0) return;
      take(last, 0, 1);
      begin_ring(found + 1);
      take(last, 0, -1);
      return;
    }
    // The pair with the most free links first: it keeps the rest balanced, so that the first packing is mostly the
    // best.
    unsigned tried = visited;
    while (!done()) {
      const int next = widest_from(last, tried);
      if (next < 0) return;
      tried |= 1U << static_cast<unsigned>(next);
      take(last, next, 1);
      extend(found, next, visited | (1U << static_cast<unsigned>(next)), length + 1);
      take(last, next, -1);
    }
  }

  Links free_;
  Links left_over_;
  int members_;
  int most_ = 0;
  int best_ = 0;
  int effort_ = 0;
};

int links_between(const NodeTopology& node, int a, int b) {
  const Relation& r = node.relations[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)];
  return a != b && r.link == LinkClass::nvlink ? r.nvlinks : 0;
}

// K_n of `width` links per pair: n - 1 links per member and width form rings both ways (one fewer if n is even, where
// a perfect matching is left over).
int complete_graph_links(const NodeTopology& node, std::span<const int> members) {
  int narrowest = links_between(node, members[0], members[1]);
  for (std::size_t i = 0; i < members.size(); ++i)
    for (std::size_t j = i + 1; j < members.size(); ++j)
      narrowest = std::min(narrowest, links_between(node, members[i], members[j]));
  const int n = static_cast<int>(members.size());
  return narrowest * (n % 2 == 0 ? n - 2 : n - 1);
}

Links links_among(const NodeTopology& node, std::span<const int> members) {
  Links links{};
  for (std::size_t i = 0; i < members.size(); ++i)
    for (std::size_t j = 0; j < members.size(); ++j) links[i][j] = links_between(node, members[i], members[j]);
  return links;
}

}  // namespace

int nvlink_ring_links(const NodeTopology& node, std::span<const int> members) {
  if (members.size() < 2) return 0;
  if (members.size() == 2) return links_between(node, members[0], members[1]);
  if (members.size() > most_searched) return complete_graph_links(node, members);
  return 2 * RingPacking(links_among(node, members), static_cast<int>(members.size())).rings();
}

std::vector<std::vector<int>> nvlink_ring_use(const NodeTopology& node, std::span<const int> members) {
  const std::size_t n = members.size();
  std::vector<std::vector<int>> use(n, std::vector<int>(n, 0));
  if (n < 2) return use;
  if (n == 2 || n > static_cast<std::size_t>(
                        most_searched)) {  // both directions of a pair, or a complete graph: every link alike
    if (nvlink_ring_links(node, members) == 0) return use;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) use[i][j] = links_between(node, members[i], members[j]);
    return use;
  }
  const Links links = links_among(node, members);
  RingPacking packing(links, static_cast<int>(n));
  packing.rings();
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i + 1; j < n; ++j) use[i][j] = use[j][i] = links[i][j] - packing.left_over()[i][j];
  return use;
}

std::vector<int> nvlink_ring_table(const NodeTopology& node) {
  const std::size_t gpus = std::min<std::size_t>(node.gpus.size(), most_searched);
  std::vector<int> table(std::size_t{1} << gpus, 0);
  for (std::size_t mask = 0; mask < table.size(); ++mask) {
    std::vector<int> members;
    for (std::size_t g = 0; g < gpus; ++g)
      if ((mask >> g & 1U) != 0) members.push_back(static_cast<int>(g));
    table[mask] = nvlink_ring_links(node, members);
  }
  return table;
}

}  // namespace trainyard
