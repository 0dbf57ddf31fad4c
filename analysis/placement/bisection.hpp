// Cutting a weighted graph in two (Kernighan and Lin, An efficient heuristic procedure for partitioning graphs, 1970).
#pragma once

#include <boost/graph/adjacency_list.hpp>
#include <cstddef>
#include <utility>
#include <vector>

namespace trainyard {

using WeightedGraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS, boost::no_property,
                                            boost::property<boost::edge_weight_t, double>>;
using Halves = std::pair<std::vector<int>, std::vector<int>>;

// Cuts `vertices` in two, the first part of `size` <= their number, so that little weight crosses: the first part grows
// from the first vertex, then pairs are swapped while that lowers the cut. Both parts keep the order of `vertices`.
Halves bisected(const WeightedGraph& graph, const std::vector<int>& vertices, std::size_t size);

}  // namespace trainyard
