#include <fmt/format.h>

#include <cstddef>
#include <iterator>

#include "topology/describe.hpp"
#include "topology/graph.hpp"

namespace trainyard {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

std::string_view style_of(VertexKind kind) {
  switch (kind) {
    case VertexKind::gpu:
      return "shape=box, style=filled, fillcolor=\"#d9ead3\"";
    case VertexKind::nic:
      return "shape=box, style=\"filled,rounded\", fillcolor=\"#cfe2f3\"";
    case VertexKind::nvswitch:
      return "shape=hexagon, style=filled, fillcolor=\"#b6d7a8\"";
    case VertexKind::pcie_switch:
    case VertexKind::host_bridge:
      return "shape=ellipse, style=filled, fillcolor=\"#f3f3f3\"";
    case VertexKind::socket:
      return "shape=component, style=filled, fillcolor=\"#fff2cc\"";
    case VertexKind::smp:
    case VertexKind::leaf:
    case VertexKind::spine:
      return "shape=diamond, style=filled, fillcolor=\"#eeeeee\"";
  }
  return "";
}

}  // namespace

std::string topology_dot(const TopologyDescription& d) {
  Cluster cluster = d.cluster.value_or(Cluster{});
  cluster.node = d.node;
  cluster.nvlink_switch = d.nvlink_switch;
  const ClusterGraph graph = node_graph(cluster);
  const std::vector<GraphVertex> vertices = vertices_of(graph);
  std::string out = fmt::format(
      "graph {} {{\n  layout=dot;\n  node [fontname=\"sans-serif\", fontsize=10];\n  edge [fontname=\"sans-serif\", "
      "fontsize=8];\n",
      quoted(d.name));
  for (std::size_t v = 0; v < vertices.size(); ++v)
    fmt::format_to(std::back_inserter(out), "  v{} [label={}, {}];\n", v, quoted(vertices[v].label),
                   style_of(vertices[v].kind));
  for (const GraphLink& link : links_of(graph)) {
    if (link.edge.link == LinkClass::nvlink)
      fmt::format_to(std::back_inserter(out), "  v{} -- v{} [label=\"NV{}\", color=\"#38761d\", penwidth={}];\n",
                     link.a, link.b, link.edge.nvlinks, 1 + link.edge.nvlinks / 6);
    else
      fmt::format_to(std::back_inserter(out), "  v{} -- v{} [label=\"{}\", color=\"#666666\"];\n", link.a, link.b,
                     name(link.edge.link));
  }
  return out + "}\n";
}

}  // namespace trainyard
