#include "analysis/placement/communication_graph.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "models/collective_cost.hpp"

namespace trainyard {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

constexpr std::size_t largest_clique = 16;

double bytes_sent(const std::vector<Message>& messages, int ranks) {
  double sum = 0;
  for (const Message& m : messages)
    sum += m.count * (m.send ? m.bytes.value : ring_bytes_sent(m.kind, m.bytes, ranks).value);
  return sum;
}

class Weights {
 public:
  void add(int a, int b, double weight) {
    if (a != b && weight > 0) weight_[std::minmax(a, b)] += weight;
  }
  WeightedGraph graph(int vertices) const {
    WeightedGraph g(at(vertices));
    for (const auto& [ends, weight] : weight_) boost::add_edge(at(ends.first), at(ends.second), weight, g);
    return g;
  }

 private:
  std::map<std::pair<int, int>, double> weight_;
};

}  // namespace

WeightedGraph communication_graph(const RankTraffic& traffic, const std::vector<int>& vertex_of) {
  Weights weights;
  for (const TrafficGroup& group : traffic.groups) {
    const std::size_t n = group.ranks.size();
    const double sent = bytes_sent(traffic.messages[at(group.kind)], static_cast<int>(n));
    if (sent <= 0) continue;
    const auto vertex = [&](std::size_t i) { return vertex_of[at(group.ranks[i % n])]; };
    if (n <= largest_clique)
      for (std::size_t a = 0; a < n; ++a)
        for (std::size_t b = a + 1; b < n; ++b)
          weights.add(vertex(a), vertex(b), 2 * sent / static_cast<double>(n - 1));
    else
      for (std::size_t i = 0; i < n; ++i) weights.add(vertex(i), vertex(i + 1), sent);
  }
  const int vertices = vertex_of.empty() ? 0 : *std::max_element(vertex_of.begin(), vertex_of.end()) + 1;
  return weights.graph(vertices);
}

}  // namespace trainyard
