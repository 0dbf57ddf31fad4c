// The cluster as a weighted graph: what carries bytes between GPUs, NICs, switches and sockets. The only place beside
// routes.cpp that knows Boost.Graph.
#pragma once

#include <boost/graph/adjacency_list.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "topology/cluster.hpp"
#include "topology/pcie_tree.hpp"

namespace trainyard {

enum class VertexKind { gpu, nic, nvswitch, pcie_switch, host_bridge, socket, smp, leaf, spine };
std::string_view name(VertexKind kind);

struct GraphVertex {
  VertexKind kind = VertexKind::gpu;
  std::string label;  // "GPU0", "NIC3", "PCIe switch 1"
  int node = 0;       // which node it stands in; 0 for fabric switches
  int index = 0;      // local index among its kind
};

// One direction of a link; every link is two edges. `link` is the class a path has at least if it crosses the edge.
struct GraphEdge {
  LinkClass link = LinkClass::pix;
  BytesPerSecond bandwidth{};  // nominal, per direction
  Seconds latency{};           // 0: the network profile decides
  int nvlinks = 0;
};

using ClusterGraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, GraphVertex, GraphEdge>;
using GraphVertexId = boost::graph_traits<ClusterGraph>::vertex_descriptor;

// Devices never forward other devices' bytes, so a path has none inside.
bool is_endpoint(VertexKind kind);

// One node: GPUs are vertices 0 … gpus-1, NICs follow, then what joins them. NVLink runs point to point or through one
// NVSwitch per island; PCIe follows pcie_tree. Without NVLink it shows the way that remains when NVLink does not help.
enum class WithNvlink { yes, no };
ClusterGraph node_graph(const Cluster& cluster, WithNvlink nvlink = WithNvlink::yes);

// The graph as plain values, for writers: every link once, with the lower vertex first.
struct GraphLink {
  std::size_t a = 0;
  std::size_t b = 0;
  GraphEdge edge;
};
std::vector<GraphVertex> vertices_of(const ClusterGraph& graph);
std::vector<GraphLink> links_of(const ClusterGraph& graph);

// The fabric at the granularity of NICs, over as few nodes as show every case: nodes 0 and 1 under one leaf and node 2
// under another (absent if the cluster has none such). NIC i of node n is vertex n * nics + i.
struct FabricGraph {
  ClusterGraph graph;
  bool has_neighbour = false;  // node 1 exists
  bool has_remote = false;     // node 2 exists
};
FabricGraph fabric_graph(const Cluster& cluster);

// The best path from one vertex to every other: the least class, then the widest, then the fewest links.
struct GraphPath {
  LinkClass link = LinkClass::nvlink;
  BytesPerSecond bandwidth{};
  int hops = 0;
};
std::vector<std::optional<GraphPath>> best_paths(const ClusterGraph& graph, GraphVertexId from);  // nullopt: no path

}  // namespace trainyard
