// A graph mapped onto the machine by dual recursive bipartitioning (Pellegrini, Static mapping by dual recursive
// bipartitioning of process and architecture graphs, 1994): the machine is halved at its leaf switches, NVLink domains,
// nodes, sockets, PCIe switches and thinnest NVLinks in turn, and the graph with it.
#pragma once

#include <vector>

#include "analysis/placement/bisection.hpp"
#include "topology/routes.hpp"

namespace trainyard {

// The device of every vertex; the graph has one vertex for each device of the machine.
std::vector<DeviceId> map_ranks(const WeightedGraph& graph, const Routes& routes);

// The same for whole nodes: the node of every vertex, one for each node of the machine.
std::vector<int> map_nodes(const WeightedGraph& graph, const Routes& routes);

}  // namespace trainyard
