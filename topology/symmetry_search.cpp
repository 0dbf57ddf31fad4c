#include "topology/symmetry_search.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <tuple>
#include <utility>

namespace trainyard {
namespace {

// The finaliser of splitmix64 (Steele, Lea and Flood, 2014): spreads small integers over 64 bits.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}
std::uint64_t mixed(std::uint64_t a, std::uint64_t b) { return mixed(mixed(a) ^ b); }

std::size_t at(int i) { return static_cast<std::size_t>(i); }

// Sets of vertices that automorphisms map to each other.
class Orbits {
 public:
  explicit Orbits(int n) : parent_(at(n)), size_(at(n), 1) { std::iota(parent_.begin(), parent_.end(), 0); }
  int find(int v) {
    while (parent_[at(v)] != v) v = parent_[at(v)] = parent_[at(parent_[at(v)])];
    return v;
  }
  void merge(int a, int b) {
    a = find(a);
    b = find(b);
    if (a == b) return;
    parent_[at(b)] = a;
    size_[at(a)] += size_[at(b)];
  }
  int size(int v) { return size_[at(find(v))]; }

 private:
  std::vector<int> parent_;
  std::vector<int> size_;
};

// A leaf of the search tree: a labelling, how it was reached, and what the graph looks like under it.
struct Leaf {
  std::vector<int> path;             // vertices individualised
  std::vector<std::uint64_t> trace;  // hashes of the refinements on the way
  std::vector<int> label;
  std::vector<std::uint64_t> form;
};

class Search {
 public:
  Search(const ColouredGraph& graph, std::int64_t effort) : graph_(graph), effort_(effort), orbits_(graph.size()) {}

  Labelling run() {
    std::vector<int> cells = graph_.first_cells();
    trace_.push_back(graph_.refine(cells));
    descend(cells, true);
    return {std::move(best_.form), automorphisms_, !exhausted_};
  }

 private:
  static constexpr int nowhere = -1;

  // Explores the subtree below `cells`. Returns the level (length of path) to go back to at once, or `nowhere`.
  int descend(const std::vector<int>& cells, bool on_first_path) {
    const std::vector<int> cell = target(cells);
    if (cell.empty()) return leaf(cells);
    const int level = static_cast<int>(path_.size());
    std::vector<int> explored;
    for (const int v : cell) {
      if (exhausted_) return nowhere;
      if (on_first_path && seen_alike(explored, v)) continue;
      const bool child_on_first_path = on_first_path && explored.empty();
      explored.push_back(v);
      const int back = visit(cells, cell, v, child_on_first_path);
      if (back != nowhere && back < level) return back;
    }
    if (on_first_path) automorphisms_ *= orbits_.size(cell.front());
    return nowhere;
  }

  int visit(const std::vector<int>& cells, const std::vector<int>& cell, int v, bool on_first_path) {
    if (have_first_ && --effort_ < 0) {
      exhausted_ = true;
      return nowhere;
    }
    std::vector<int> next = cells;
    for (const int other : cell)
      if (other != v) ++next[at(other)];  // v stays the first of its cell
    path_.push_back(v);
    trace_.push_back(graph_.refine(next));
    const int back = promising() ? descend(next, on_first_path) : nowhere;
    path_.pop_back();
    trace_.pop_back();
    return back;
  }

  bool seen_alike(const std::vector<int>& explored, int v) {
    return std::any_of(explored.begin(), explored.end(), [&](int e) { return orbits_.find(e) == orbits_.find(v); });
  }

  // Can the way so far still reach the first leaf's image or a leaf below the best?
  bool promising() const {
    if (!have_first_) return true;
    const std::size_t n = trace_.size();
    const bool like_first = n <= first_.trace.size() && std::equal(trace_.begin(), trace_.end(), first_.trace.begin());
    if (like_first) return true;
    return !std::lexicographical_compare(
        best_.trace.begin(), best_.trace.begin() + static_cast<std::ptrdiff_t>(std::min(n, best_.trace.size())),
        trace_.begin(), trace_.end());
  }

  // The members of the first of the smallest cells with more than one; empty if all have one.
  std::vector<int> target(const std::vector<int>& cells) const {
    std::vector<int> count(cells.size(), 0);
    for (const int c : cells) ++count[at(c)];
    int chosen = nowhere;
    for (int c = 0; c < static_cast<int>(count.size()); ++c)
      if (count[at(c)] > 1 && (chosen == nowhere || count[at(c)] < count[at(chosen)])) chosen = c;
    std::vector<int> members;
    for (int v = 0; chosen != nowhere && v < static_cast<int>(cells.size()); ++v)
      if (cells[at(v)] == chosen) members.push_back(v);
    return members;
  }

  int leaf(const std::vector<int>& label) {
    Leaf found{path_, trace_, label, graph_.relabelled(label)};
    if (!have_first_) {
      have_first_ = true;
      first_ = best_ = std::move(found);
      return nowhere;
    }
    if (found.form == first_.form) {
      add_automorphism(first_.label, found.label);
      return common(found.path, first_.path);
    }
    if (found.trace == best_.trace && found.form == best_.form) return common(found.path, best_.path);
    if (std::tie(found.trace, found.form) < std::tie(best_.trace, best_.form)) best_ = std::move(found);
    return nowhere;
  }

  void add_automorphism(const std::vector<int>& from, const std::vector<int>& to) {
    std::vector<int> with_label(to.size());
    for (int v = 0; v < static_cast<int>(to.size()); ++v) with_label[at(to[at(v)])] = v;
    for (int v = 0; v < static_cast<int>(from.size()); ++v) orbits_.merge(v, with_label[at(from[at(v)])]);
  }

  static int common(const std::vector<int>& a, const std::vector<int>& b) {
    int n = 0;
    while (at(n) < std::min(a.size(), b.size()) && a[at(n)] == b[at(n)]) ++n;
    return n;
  }

  const ColouredGraph& graph_;
  std::int64_t effort_;
  Orbits orbits_;
  std::vector<int> path_;
  std::vector<std::uint64_t> trace_;
  Leaf first_, best_;
  bool have_first_ = false;
  bool exhausted_ = false;
  double automorphisms_ = 1;
};

}  // namespace

ColouredGraph::ColouredGraph(std::vector<int> colours, std::vector<Edge> edges)
    : colours_(std::move(colours)), edges_(std::move(edges)), first_neighbour_(colours_.size() + 1, 0) {
  for (const Edge& e : edges_) {
    ++first_neighbour_[at(e.a) + 1];
    ++first_neighbour_[at(e.b) + 1];
  }
  std::partial_sum(first_neighbour_.begin(), first_neighbour_.end(), first_neighbour_.begin());
  neighbours_.resize(2 * edges_.size());
  std::vector<int> next(first_neighbour_.begin(), first_neighbour_.end() - 1);
  for (const Edge& e : edges_) {
    const std::uint64_t colour = mixed(static_cast<std::uint64_t>(e.colour));
    neighbours_[at(next[at(e.a)]++)] = {e.b, colour};
    neighbours_[at(next[at(e.b)]++)] = {e.a, colour};
  }
}

std::vector<int> ColouredGraph::sorted_colours() const {
  std::vector<int> sorted = colours_;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

std::vector<int> ColouredGraph::first_cells() const {
  const std::vector<int> sorted = sorted_colours();
  std::vector<int> cells;
  for (const int c : colours_)
    cells.push_back(static_cast<int>(std::lower_bound(sorted.begin(), sorted.end(), c) - sorted.begin()));
  return cells;
}

// What each open vertex sees: the multiset of (edge colour, neighbour's cell), as a sum of mixed hashes.
std::vector<std::uint64_t> ColouredGraph::signatures(const std::vector<int>& cells,
                                                     const std::vector<int>& open) const {
  std::vector<std::uint64_t> seen;
  seen.reserve(open.size());
  for (const int v : open) {
    std::uint64_t sum = 0;
    for (int i = first_neighbour_[at(v)]; i < first_neighbour_[at(v) + 1]; ++i) {
      const Neighbour& n = neighbours_[at(i)];
      sum += mixed(n.colour ^ static_cast<std::uint64_t>(cells[at(n.vertex)]));
    }
    seen.push_back(sum);
  }
  return seen;
}

std::uint64_t ColouredGraph::refine(std::vector<int>& cells) const {
  std::uint64_t trace = 0;
  std::vector<int> count(cells.size(), 0);
  for (const int c : cells) ++count[at(c)];
  std::vector<int> open;
  for (int v = 0; v < size(); ++v)
    if (count[at(cells[at(v)])] > 1) open.push_back(v);
  for (bool split = true; split && !open.empty();) {
    const std::vector<std::uint64_t> seen = signatures(cells, open);
    std::vector<int> order(open.size());
    std::iota(order.begin(), order.end(), 0);
    const auto key = [&](int i) { return std::pair(cells[at(open[at(i)])], seen[at(i)]); };
    std::sort(order.begin(), order.end(), [&](int a, int b) { return key(a) < key(b); });
    split = false;
    std::vector<int> refined(open.size());
    std::vector<int> still_open;
    std::size_t previous = 0;  // first vertex of the part before
    for (std::size_t first = 0; first < order.size();) {
      const auto of_cell = key(order[first]);
      std::size_t end = first;
      while (end < order.size() && key(order[end]) == of_cell) ++end;
      // A part that is not the first of its cell starts after the parts before it.
      const bool continues = first > 0 && key(order[first - 1]).first == of_cell.first;
      const int cell = continues ? refined[at(order[previous])] + static_cast<int>(first - previous) : of_cell.first;
      split = split || continues;
      for (std::size_t i = first; i < end; ++i) refined[at(order[i])] = cell;
      trace = mixed(trace, mixed(static_cast<std::uint64_t>(cell), of_cell.second));
      if (end - first > 1)
        for (std::size_t i = first; i < end; ++i) still_open.push_back(open[at(order[i])]);
      previous = std::exchange(first, end);
    }
    for (std::size_t i = 0; i < open.size(); ++i) cells[at(open[i])] = refined[i];
    std::sort(still_open.begin(), still_open.end());
    open = std::move(still_open);
  }
  for (const int v : open) trace += mixed(static_cast<std::uint64_t>(cells[at(v)]), 1);
  return trace;
}

std::vector<std::uint64_t> ColouredGraph::relabelled(const std::vector<int>& label) const {
  std::vector<std::uint64_t> edges;
  edges.reserve(edges_.size());
  constexpr unsigned vertex_bits = 24, colour_bits = 16;
  for (const Edge& e : edges_) {
    const auto [low, high] = std::minmax(label[at(e.a)], label[at(e.b)]);
    edges.push_back(static_cast<std::uint64_t>(low) << (vertex_bits + colour_bits) |
                    static_cast<std::uint64_t>(high) << colour_bits | static_cast<std::uint64_t>(e.colour));
  }
  std::sort(edges.begin(), edges.end());
  for (const int c : sorted_colours()) edges.push_back(static_cast<std::uint64_t>(c));
  return edges;
}

Labelling canonical_labelling(const ColouredGraph& graph, std::int64_t effort) { return Search(graph, effort).run(); }

}  // namespace trainyard
