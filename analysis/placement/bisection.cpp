#include "analysis/placement/bisection.hpp"

#include <algorithm>
#include <boost/range/iterator_range.hpp>
#include <cmath>
#include <map>

namespace trainyard {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

// Kernighan and Lin on a part of the graph.
class Bisection {
 public:
  Bisection(const WeightedGraph& graph, const std::vector<int>& vertices)
      : graph_(graph), vertices_(vertices), side_(boost::num_vertices(graph), outside) {}

  std::pair<std::vector<int>, std::vector<int>> run(std::size_t size) {
    grow(size);
    while (improve()) {
    }
    std::pair<std::vector<int>, std::vector<int>> parts;
    for (const int v : vertices_) (side_[at(v)] == first ? parts.first : parts.second).push_back(v);
    return parts;
  }

 private:
  enum Side { outside, first, second };

  template <class Visit>
  void for_neighbours(int v, Visit visit) const {
    for (const auto& edge : boost::make_iterator_range(boost::out_edges(at(v), graph_))) {
      const int peer = static_cast<int>(boost::target(edge, graph_));
      if (side_[at(peer)] != outside) visit(peer, boost::get(boost::edge_weight, graph_, edge));
    }
  }

  // The first part grows from the first vertex by the one that is tied to it most; ties go to the lower number.
  void grow(std::size_t size) {
    for (const int v : vertices_) side_[at(v)] = second;
    std::vector<double> tied(side_.size(), 0.0);
    for (std::size_t n = 0; n < size; ++n) {
      int next = -1;
      for (const int v : vertices_)
        if (side_[at(v)] == second && (next < 0 || tied[at(v)] > tied[at(next)])) next = v;
      side_[at(next)] = first;
      for_neighbours(next, [&](int peer, double w) { tied[at(peer)] += w; });
    }
  }

  // One pass: swaps pairs, best first, each vertex once, and keeps the swaps up to the best cut.
  bool improve() {
    gain_.assign(side_.size(), 0.0);
    for (const int v : vertices_)
      for_neighbours(v, [&](int peer, double w) { gain_[at(v)] += side_[at(peer)] == side_[at(v)] ? -w : w; });
    std::vector<bool> locked(side_.size(), false);
    std::vector<std::pair<int, int>> swaps;
    double sum = 0, best = 0;
    std::size_t keep = 0;
    for (std::pair<int, int> pair = best_pair(locked); pair.first >= 0; pair = best_pair(locked)) {
      sum += gain_of_pair_;
      swap(pair);
      locked[at(pair.first)] = locked[at(pair.second)] = true;
      swaps.push_back(pair);
      // Rounding must not look like a gain, or the passes would never end.
      if (sum <= best + 1e-9 * scale()) continue;
      best = sum;
      keep = swaps.size();
    }
    for (std::size_t i = swaps.size(); i > keep; --i)
      std::swap(side_[at(swaps[i - 1].first)], side_[at(swaps[i - 1].second)]);
    return keep > 0;
  }

  std::pair<int, int> best_pair(const std::vector<bool>& locked) {
    int a = -1, b = -1;
    for (const int v : vertices_)
      if (side_[at(v)] == first && !locked[at(v)] && (a < 0 || gain_[at(v)] > gain_[at(a)])) a = v;
    if (a < 0) return {-1, -1};
    std::map<int, double> between;
    for_neighbours(a, [&](int peer, double w) { between[peer] += w; });
    const auto pair_gain = [&](int v) {
      const auto shared = between.find(v);
      return gain_[at(a)] + gain_[at(v)] - (shared == between.end() ? 0.0 : 2 * shared->second);
    };
    for (const int v : vertices_)
      if (side_[at(v)] == second && !locked[at(v)] && (b < 0 || pair_gain(v) > gain_of_pair_)) {
        b = v;
        gain_of_pair_ = pair_gain(v);
      }
    return b < 0 ? std::pair(-1, -1) : std::pair(a, b);
  }

  void swap(const std::pair<int, int>& pair) {
    for (const int v : {pair.first, pair.second}) {
      const Side from = side_[at(v)];
      for_neighbours(v, [&](int peer, double w) { gain_[at(peer)] += side_[at(peer)] == from ? 2 * w : -2 * w; });
      side_[at(v)] = from == first ? second : first;
      gain_[at(v)] = -gain_[at(v)];
    }
  }

  double scale() const {
    double largest = 0;
    for (const int v : vertices_) largest = std::max(largest, std::abs(gain_[at(v)]));
    return largest;
  }

  const WeightedGraph& graph_;
  const std::vector<int>& vertices_;
  std::vector<Side> side_;
  std::vector<double> gain_;
  double gain_of_pair_ = 0;
};

}  // namespace

Halves bisected(const WeightedGraph& graph, const std::vector<int>& vertices, std::size_t size) {
  return Bisection(graph, vertices).run(size);
}

}  // namespace trainyard
