#include "topology/symmetry.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <map>
#include <string>
#include <utility>

namespace trainyard {
namespace {

// Colours of vertices; those of groups follow, by kind.
enum VertexColour { gpu_colour, nic_colour, node_colour, numa_colour, domain_colour, unit_colour, rail_colour, groups };
// Colours of edges; those of relations follow, by class and links.
enum EdgeColour { belongs, member, relations };

int relation_colour(const Relation& r) {
  constexpr int most_links = 1024;
  return relations + static_cast<int>(r.link) * most_links + std::min(r.nvlinks, most_links - 1);
}

// Relations of one sort of pairs (GPU and GPU, GPU and NIC, NIC and NIC). The most frequent one is left out of the
// graph: no edge says it as well.
class Relations {
 public:
  void add(int a, int b, int colour) {
    edges_.push_back({a, b, colour});
    ++count_[colour];
  }
  std::vector<ColouredGraph::Edge> but_the_usual() const {
    const auto usual = std::max_element(count_.begin(), count_.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
    std::vector<ColouredGraph::Edge> rest;
    for (const ColouredGraph::Edge& e : edges_)
      if (e.colour != usual->first) rest.push_back(e);
    return rest;
  }

 private:
  std::vector<ColouredGraph::Edge> edges_;
  std::map<int, int> count_;
};

}  // namespace

ClusterSymmetry::ClusterSymmetry(const Cluster& cluster) {
  for (int node = 0; node < cluster.nodes; ++node) add_node(cluster);
  add_nvlink_domains(cluster);
  add_fabric(cluster);
  mark_stragglers(cluster);
}

int ClusterSymmetry::add_vertex(int colour) {
  colour_.push_back(colour);
  return static_cast<int>(colour_.size()) - 1;
}

void ClusterSymmetry::join(int a, int b, int colour) { edges_.push_back({a, b, colour}); }

void ClusterSymmetry::add_node(const Cluster& cluster) {
  const std::size_t first_gpu = gpu_.size(), first_nic = nic_.size();
  node_.push_back(add_vertex(node_colour));
  for (std::size_t i = 0; i < cluster.node.gpus.size(); ++i) gpu_.push_back(add_vertex(gpu_colour));
  for (std::size_t i = 0; i < cluster.node.nics.size(); ++i) nic_.push_back(add_vertex(nic_colour));
  for (std::size_t i = first_gpu; i < gpu_.size(); ++i) join(gpu_[i], node_.back(), belongs);
  for (std::size_t i = first_nic; i < nic_.size(); ++i) join(nic_[i], node_.back(), belongs);
  add_numa(cluster.node, first_gpu);
  add_relations(cluster.node, first_gpu, first_nic);
}

void ClusterSymmetry::add_numa(const NodeTopology& node, std::size_t first_gpu) {
  std::map<std::string, int> vertex;
  for (std::size_t g = 0; g < node.numa_affinity.size() && g < node.gpus.size(); ++g) {
    const std::string& numa = node.numa_affinity[g];
    if (numa.empty()) continue;
    if (!vertex.contains(numa)) vertex[numa] = add_vertex(numa_colour);
    join(gpu_[first_gpu + g], vertex[numa], belongs);
  }
}

void ClusterSymmetry::add_relations(const NodeTopology& node, std::size_t first_gpu, std::size_t first_nic) {
  const std::size_t gpus = node.gpus.size(), devices = gpus + node.nics.size();
  if (node.relations.size() != devices) return;  // a node built by hand without a matrix
  Relations of_gpus, mixed, of_nics;
  const auto vertex = [&](std::size_t d) { return d < gpus ? gpu_[first_gpu + d] : nic_[first_nic + d - gpus]; };
  for (std::size_t a = 0; a < devices; ++a)
    for (std::size_t b = a + 1; b < devices; ++b) {
      Relations& sort = b < gpus ? of_gpus : a < gpus ? mixed : of_nics;
      sort.add(vertex(a), vertex(b), relation_colour(node.relations[a][b]));
    }
  for (const Relations* sort : {&of_gpus, &mixed, &of_nics})
    for (const ColouredGraph::Edge& e : sort->but_the_usual()) edges_.push_back(e);
}

void ClusterSymmetry::add_nvlink_domains(const Cluster& cluster) {
  if (cluster.nodes_per_nvlink_domain <= 1) return;
  int domain = 0;
  for (int node = 0; node < cluster.nodes; ++node) {
    if (node % cluster.nodes_per_nvlink_domain == 0) domain = add_vertex(domain_colour);
    join(node_[static_cast<std::size_t>(node)], domain, belongs);
  }
}

// Rails: NIC i of every node of a unit hangs on the same leaf. Otherwise whole nodes hang on the leaf of their unit.
void ClusterSymmetry::add_fabric(const Cluster& cluster) {
  const Fabric& fabric = cluster.fabric;
  if (fabric.kind == FabricKind::single_switch || cluster.nodes == 1) return;
  const int unit_nodes = fabric.nodes_per_leaf > 0 ? fabric.nodes_per_leaf : cluster.nodes;
  const bool rails = fabric.kind == FabricKind::rail_optimised;
  const std::size_t nics = cluster.node.nics.size(), leaves = rails ? nics : 1;
  int first_leaf = 0;
  for (int node = 0; node < cluster.nodes; ++node) {
    const auto n = static_cast<std::size_t>(node);
    if (node % unit_nodes == 0) {
      first_leaf = static_cast<int>(colour_.size());
      for (std::size_t leaf = 0; leaf < leaves; ++leaf) add_vertex(rails ? rail_colour : unit_colour);
    }
    if (!rails) join(node_[n], first_leaf, belongs);
    for (std::size_t nic = 0; rails && nic < nics; ++nic)
      join(nic_[n * nics + nic], first_leaf + static_cast<int>(nic), belongs);
  }
}

// A slow part is hung on a vertex of its own that says how slow: equally slow parts stay interchangeable.
void ClusterSymmetry::mark_stragglers(const Cluster& cluster) {
  std::map<std::pair<int, double>, std::vector<int>> parts;  // by sort and factor
  const auto mark = [&](int sort, double factor, const std::vector<int>& vertices, int index) {
    if (index >= 0 && static_cast<std::size_t>(index) < vertices.size())
      parts[{sort, factor}].push_back(vertices[static_cast<std::size_t>(index)]);
  };
  for (const SlowGpu& slow : cluster.stragglers.gpus) mark(0, slow.speed, gpu_, slow.gpu);
  for (const DegradedLink& link : cluster.stragglers.links) {
    const bool of_nic = link.part == DegradedPart::nic;
    const std::size_t per_node = of_nic ? cluster.node.nics.size() : cluster.node.gpus.size();
    mark(1 + static_cast<int>(link.part), link.bandwidth, of_nic ? nic_ : gpu_,
         link.node * static_cast<int>(per_node) + link.index);
  }
  int sort = -1;
  for (const auto& [key, vertices] : parts) {
    const int slow = add_vertex(sort--);
    for (const int v : vertices) join(v, slow, belongs);
  }
}

ColouredGraph ClusterSymmetry::with(std::span<const PlacedGroup> placed) const {
  std::vector<int> colours = colour_;
  std::vector<ColouredGraph::Edge> edges = edges_;
  for (const PlacedGroup& group : placed) {
    const int vertex = static_cast<int>(colours.size());
    colours.push_back(groups + group.kind);
    for (const DeviceId device : group.devices) {
      assert(device.value >= 0 && device.index() < gpu_.size());
      edges.push_back({gpu_[device.index()], vertex, member});
    }
  }
  return {std::move(colours), std::move(edges)};
}

PlacementForm ClusterSymmetry::form(std::span<const PlacedGroup> placed, std::int64_t effort) const {
  Labelling labelling = canonical_labelling(with(placed), effort);
  return {std::move(labelling.form), labelling.exact};
}

std::uint64_t ClusterSymmetry::fingerprint(std::span<const PlacedGroup> placed) const {
  const ColouredGraph graph = with(placed);
  std::vector<int> cells = graph.first_cells();
  return graph.refine(cells);
}

double ClusterSymmetry::automorphisms(std::span<const PlacedGroup> placed) const {
  return canonical_labelling(with(placed), thorough).automorphisms;
}

PlacementForm canonical_placement(const Cluster& cluster, std::span<const PlacedGroup> placed) {
  return ClusterSymmetry(cluster).form(placed);
}

}  // namespace trainyard
