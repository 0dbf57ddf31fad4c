// Which placements are the same machine seen from another side. The machine and what is placed on it are one coloured
// graph: GPUs, NICs, NUMA nodes, servers, rails and leaf switches with their relations, and one vertex for every group
// of devices that belongs together. Two placements are equivalent if and only if a relabelling of the vertices carries
// one graph into the other. That covers the symmetries of the topology (servers of a leaf, leaves, GPUs that have the
// same relations, with their NICs; a rail permuted on one server is permuted on all of its unit) and those of the job
// (replicas, ranks that play the same role), since ranks are known by their groups alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "topology/cluster.hpp"
#include "topology/symmetry_search.hpp"

namespace trainyard {

// Devices that belong together: the members of a communicator, the GPUs of a pipeline stage. Groups of one kind are
// interchangeable. The order of the devices says nothing.
struct PlacedGroup {
  int kind = 0;  // >= 0
  std::vector<DeviceId> devices;
  friend bool operator==(const PlacedGroup&, const PlacedGroup&) = default;
};

// Equal forms are equivalent placements on one cluster; the reverse holds where `exact`.
struct PlacementForm {
  std::vector<std::uint64_t> edges;  // of the relabelled graph, sorted
  bool exact = false;
  friend bool operator==(const PlacementForm& a, const PlacementForm& b) { return a.edges == b.edges; }
};

// Symmetries of a cluster and of what lies on it: colour refinement, then individualisation with backtracking, in which
// a subtree that an automorphism already found maps to an earlier one is left out (McKay and Piperno, Practical graph
// isomorphism II, 2014). Thus alike GPUs behind a switch cost as many steps as there are, not their factorial.
class ClusterSymmetry {
 public:
  explicit ClusterSymmetry(const Cluster& cluster);

  // The canonical form. `effort`: refinements spent on backtracking after the first way down; without any the form is
  // still the same for equivalent placements wherever colour refinement finds the orbits. Devices must be of the
  // cluster.
  PlacementForm form(std::span<const PlacedGroup> groups, std::int64_t effort = thorough) const;
  // Equal for equivalent placements, and cheap; different placements seldom share one.
  std::uint64_t fingerprint(std::span<const PlacedGroup> groups) const;
  // How many permutations of the machine keep what lies on it; as a floating-point number, since it may be huge.
  double automorphisms(std::span<const PlacedGroup> groups = {}) const;

  static constexpr std::int64_t thorough = 20'000;  // refinements: a second for 64 GPUs, microseconds for one server

 private:
  int add_vertex(int colour);
  void join(int a, int b, int colour);
  void add_node(const Cluster& cluster);
  void add_numa(const NodeTopology& node, std::size_t first_gpu);
  void add_relations(const NodeTopology& node, std::size_t first_gpu, std::size_t first_nic);
  void add_nvlink_domains(const Cluster& cluster);
  void add_fabric(const Cluster& cluster);
  void mark_stragglers(const Cluster& cluster);

  ColouredGraph with(std::span<const PlacedGroup> groups) const;

  std::vector<int> colour_;  // of every vertex of the machine
  std::vector<int> gpu_;     // vertex of every device
  std::vector<int> nic_;     // vertex of every NIC, node by node
  std::vector<int> node_;    // vertex of every node
  std::vector<ColouredGraph::Edge> edges_;
};

// ClusterSymmetry(cluster).form(groups).
PlacementForm canonical_placement(const Cluster& cluster, std::span<const PlacedGroup> groups);

}  // namespace trainyard
