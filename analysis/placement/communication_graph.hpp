// Ranks as the vertices of a graph whose weights are the bytes between them.
#pragma once

#include <vector>

#include "analysis/placement/bisection.hpp"
#include "analysis/placement/rank_traffic.hpp"

namespace trainyard {

// Bytes per step between every two vertices. vertex_of: the vertex of every rank; several ranks may share one. A group
// of up to 16 counts as the complete graph of its members, a larger one as their ring; each member sends what the
// messages of the group's kind make a ring send. Small messages that are sent often thus weigh as much as few large
// ones.
WeightedGraph communication_graph(const RankTraffic& traffic, const std::vector<int>& vertex_of);

}  // namespace trainyard
