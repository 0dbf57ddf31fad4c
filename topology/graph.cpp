#include "topology/graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/graph/dijkstra_shortest_paths.hpp>
#include <boost/graph/filtered_graph.hpp>
#include <boost/range/iterator_range.hpp>
#include <cstddef>
#include <limits>

#include "topology/node_groups.hpp"

namespace trainyard {
namespace {

void connect(ClusterGraph& graph, GraphVertexId a, GraphVertexId b, const GraphEdge& edge) {
  boost::add_edge(a, b, edge, graph);
  boost::add_edge(b, a, edge, graph);
}

VertexKind kind_of(LinkClass level) {
  switch (level) {
    case LinkClass::pix:
    case LinkClass::pxb:
      return VertexKind::pcie_switch;
    case LinkClass::phb:
      return VertexKind::host_bridge;
    case LinkClass::node:
      return VertexKind::socket;
    case LinkClass::nvlink:
    case LinkClass::c2c:
    case LinkClass::sys:
    case LinkClass::net:
    case LinkClass::spine:
      return VertexKind::smp;
  }
  return VertexKind::smp;
}

void add_devices(ClusterGraph& graph, const NodeTopology& node) {
  for (std::size_t i = 0; i < node.gpus.size(); ++i)
    boost::add_vertex({VertexKind::gpu, node.gpus[i], 0, static_cast<int>(i)}, graph);
  for (std::size_t i = 0; i < node.nics.size(); ++i)
    boost::add_vertex({VertexKind::nic, node.nics[i], 0, static_cast<int>(i)}, graph);
}

void add_pcie(ClusterGraph& graph, const Cluster& cluster) {
  const PcieTree tree = pcie_tree(cluster.node);
  std::vector<GraphVertexId> vertex;
  std::vector<int> count(static_cast<std::size_t>(VertexKind::spine) + 1, 0);
  for (const PcieGroup& group : tree.groups) {
    const VertexKind kind = kind_of(group.level);
    const int index = count[static_cast<std::size_t>(kind)]++;
    vertex.push_back(boost::add_vertex({kind, fmt::format("{} {}", name(kind), index), 0, index}, graph));
  }
  const auto edge = [&](LinkClass level) {
    const bool between_sockets = level == LinkClass::sys;
    return GraphEdge{level, between_sockets ? cluster.socket_bandwidth : cluster.pcie_bandwidth, {}, 0};
  };
  for (std::size_t device = 0; device < tree.group_of_device.size(); ++device) {
    const auto group = static_cast<std::size_t>(tree.group_of_device[device]);
    connect(graph, device, vertex[group], edge(tree.groups[group].level));
  }
  for (std::size_t g = 0; g < tree.groups.size(); ++g)
    if (tree.groups[g].parent) {
      const auto parent = static_cast<std::size_t>(*tree.groups[g].parent);
      connect(graph, vertex[g], vertex[parent], edge(tree.groups[parent].level));
    }
}

void add_nvswitch(ClusterGraph& graph, const Cluster& cluster, const NvlinkIsland& island, int index) {
  const GraphVertexId hub =
      boost::add_vertex({VertexKind::nvswitch, fmt::format("NVSwitch {}", index), 0, index}, graph);
  for (int gpu : island.gpus) {
    int links = 0;
    for (int peer : island.gpus)
      if (peer != gpu)
        links = std::max(links,
                         cluster.node.relations[static_cast<std::size_t>(gpu)][static_cast<std::size_t>(peer)].nvlinks);
    connect(graph, static_cast<GraphVertexId>(gpu), hub,
            {LinkClass::nvlink, links * cluster.nvlink_bandwidth, {}, links});
  }
}

void add_nvlink(ClusterGraph& graph, const Cluster& cluster) {
  int switches = 0;
  for (const NvlinkIsland& island : nvlink_islands(cluster.node)) {
    if (island.gpus.size() < 2) continue;
    if (cluster.nvlink_switch) {
      add_nvswitch(graph, cluster, island, switches++);
      continue;
    }
    for (std::size_t i = 0; i < island.gpus.size(); ++i)
      for (std::size_t j = i + 1; j < island.gpus.size(); ++j) {
        const auto a = static_cast<GraphVertexId>(island.gpus[i]);
        const auto b = static_cast<GraphVertexId>(island.gpus[j]);
        const Relation& relation = cluster.node.relations[a][b];
        if (relation.link == LinkClass::nvlink)
          connect(graph, a, b, {LinkClass::nvlink, relation.nvlinks * cluster.nvlink_bandwidth, {}, relation.nvlinks});
      }
  }
}

// Least class, then widest, then fewest hops; combine is monotone, so Dijkstra applies.
struct PathCost {
  LinkClass link = LinkClass::nvlink;
  double bandwidth = std::numeric_limits<double>::infinity();
  int hops = 0;
};
struct Better {
  bool operator()(const PathCost& a, const PathCost& b) const {
    if (a.link != b.link) return a.link < b.link;
    if (a.bandwidth != b.bandwidth) return a.bandwidth > b.bandwidth;
    return a.hops < b.hops;
  }
};
struct Extend {
  PathCost operator()(const PathCost& path, const GraphEdge& edge) const {
    return {std::max(path.link, edge.link), std::min(path.bandwidth, edge.bandwidth.value), path.hops + 1};
  }
};

// Hides the edges that leave an endpoint other than the start.
struct NoForwarding {
  const ClusterGraph* graph = nullptr;
  GraphVertexId start = 0;
  template <class Edge>
  bool operator()(const Edge& edge) const {
    const GraphVertexId from = boost::source(edge, *graph);
    return from == start || !is_endpoint((*graph)[from].kind);
  }
};

}  // namespace

std::string_view name(VertexKind kind) {
  switch (kind) {
    case VertexKind::gpu:
      return "GPU";
    case VertexKind::nic:
      return "NIC";
    case VertexKind::nvswitch:
      return "NVSwitch";
    case VertexKind::pcie_switch:
      return "PCIe switch";
    case VertexKind::host_bridge:
      return "host bridge";
    case VertexKind::socket:
      return "NUMA node";
    case VertexKind::smp:
      return "NUMA interconnect";
    case VertexKind::leaf:
      return "leaf";
    case VertexKind::spine:
      return "spine";
  }
  return "?";
}

bool is_endpoint(VertexKind kind) { return kind == VertexKind::gpu || kind == VertexKind::nic; }

ClusterGraph node_graph(const Cluster& cluster, WithNvlink nvlink) {
  ClusterGraph graph;
  add_devices(graph, cluster.node);
  add_pcie(graph, cluster);
  if (nvlink == WithNvlink::yes) add_nvlink(graph, cluster);
  return graph;
}

std::vector<GraphVertex> vertices_of(const ClusterGraph& graph) {
  std::vector<GraphVertex> vertices;
  for (std::size_t v = 0; v < boost::num_vertices(graph); ++v) vertices.push_back(graph[v]);
  return vertices;
}

std::vector<GraphLink> links_of(const ClusterGraph& graph) {
  std::vector<GraphLink> links;
  for (const auto& edge : boost::make_iterator_range(boost::edges(graph)))
    if (boost::source(edge, graph) < boost::target(edge, graph))
      links.push_back({boost::source(edge, graph), boost::target(edge, graph), graph[edge]});
  return links;
}

FabricGraph fabric_graph(const Cluster& cluster) {
  const int nics = static_cast<int>(cluster.node.nics.size());
  const int unit =
      cluster.fabric.nodes_per_leaf > 0 ? std::min(cluster.fabric.nodes_per_leaf, cluster.nodes) : cluster.nodes;
  const bool flat = cluster.fabric.kind == FabricKind::single_switch || unit == cluster.nodes;
  const bool rails = cluster.fabric.kind == FabricKind::rail_optimised;
  FabricGraph fabric;
  fabric.has_neighbour = cluster.nodes > 1 && (flat || unit > 1);
  fabric.has_remote = !flat;
  for (int node = 0; node < 3; ++node)
    for (int nic = 0; nic < nics; ++nic)
      boost::add_vertex({VertexKind::nic, cluster.node.nics[static_cast<std::size_t>(nic)], node, nic}, fabric.graph);
  const int leaves = rails ? nics : 1;
  const double ports_per_leaf = static_cast<double>(unit) * (rails ? 1.0 : static_cast<double>(nics));
  const BytesPerSecond uplink = ports_per_leaf * cluster.nic_bandwidth / cluster.fabric.oversubscription;
  const GraphVertexId spine = boost::add_vertex({VertexKind::spine, "spine", 0, 0}, fabric.graph);
  for (int where = 0; where < (flat ? 1 : 2); ++where)
    for (int leaf = 0; leaf < leaves; ++leaf) {
      const int index = where * leaves + leaf;
      const GraphVertexId hub =
          boost::add_vertex({VertexKind::leaf, fmt::format("leaf {}", index), 0, index}, fabric.graph);
      // Rails of one unit also meet only above their leaves.
      if (!flat || rails) connect(fabric.graph, hub, spine, {LinkClass::spine, uplink, {}, 0});
      for (int node = where == 0 ? 0 : 2; node < (where == 0 ? 2 : 3); ++node)
        for (int nic = 0; nic < nics; ++nic)
          if (!rails || nic == leaf)
            connect(fabric.graph, static_cast<GraphVertexId>(node * nics + nic), hub,
                    {LinkClass::net, cluster.nic_bandwidth, {}, 0});
    }
  return fabric;
}

std::vector<std::optional<GraphPath>> best_paths(const ClusterGraph& graph, GraphVertexId from) {
  const NoForwarding rule{&graph, from};
  const boost::filtered_graph<ClusterGraph, NoForwarding> usable(graph, rule);
  const PathCost unreached{LinkClass::spine, 0.0, std::numeric_limits<int>::max()};
  std::vector<PathCost> cost(boost::num_vertices(graph), unreached);
  const auto index = boost::get(boost::vertex_index, graph);
  boost::dijkstra_shortest_paths(usable, from,
                                 boost::weight_map(boost::get(boost::edge_bundle, graph))
                                     .distance_map(boost::make_iterator_property_map(cost.begin(), index))
                                     .vertex_index_map(index)
                                     .distance_compare(Better{})
                                     .distance_combine(Extend{})
                                     .distance_inf(unreached)
                                     .distance_zero(PathCost{}));
  std::vector<std::optional<GraphPath>> paths(cost.size());
  for (std::size_t v = 0; v < cost.size(); ++v)
    if (cost[v].hops != unreached.hops && v != from)
      paths[v] = GraphPath{cost[v].link, BytesPerSecond(cost[v].bandwidth), cost[v].hops};
  return paths;
}

}  // namespace trainyard
