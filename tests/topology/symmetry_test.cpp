#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <numeric>
#include <random>
#include <set>

#include "topology/cluster_yaml.hpp"
#include "topology/symmetry.hpp"

namespace trainyard {
namespace {

Cluster cluster_named(const char* name, int nodes = 1) { return read_cluster_file(name, nodes); }

PlacedGroup group(std::vector<int> devices, int kind = 0) {
  PlacedGroup g{kind, {}};
  for (const int d : devices) g.devices.emplace_back(d);
  return g;
}

// Every way to choose `size` of `n` devices.
std::vector<std::vector<int>> subsets(int n, int size) {
  std::vector<std::vector<int>> all;
  for (unsigned mask = 0; mask < 1U << static_cast<unsigned>(n); ++mask) {
    std::vector<int> members;
    for (int i = 0; i < n; ++i)
      if ((mask >> static_cast<unsigned>(i) & 1U) != 0) members.push_back(i);
    if (static_cast<int>(members.size()) == size) all.push_back(std::move(members));
  }
  return all;
}

// Every way to cut the devices into pairs.
std::vector<std::vector<PlacedGroup>> pairings(const std::vector<int>& devices) {
  if (devices.empty()) return {{}};
  std::vector<std::vector<PlacedGroup>> all;
  for (std::size_t mate = 1; mate < devices.size(); ++mate) {
    std::vector<int> rest = devices;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(mate));
    rest.erase(rest.begin());
    for (std::vector<PlacedGroup> pairs : pairings(rest)) {
      pairs.push_back(group({devices[0], devices[mate]}));
      all.push_back(std::move(pairs));
    }
  }
  return all;
}

std::size_t distinct(const Cluster& cluster, const std::vector<std::vector<PlacedGroup>>& placements,
                     std::int64_t effort = ClusterSymmetry::thorough) {
  const ClusterSymmetry symmetry(cluster);
  std::set<std::vector<std::uint64_t>> forms;
  for (const std::vector<PlacedGroup>& placed : placements) {
    const PlacementForm form = symmetry.form(placed, effort);
    CHECK((form.exact || effort == 0));
    forms.insert(form.edges);
  }
  return forms.size();
}

std::size_t distinct_groups(const Cluster& cluster, int size) {
  std::vector<std::vector<PlacedGroup>> placements;
  for (const std::vector<int>& devices : subsets(cluster.world_size(), size)) placements.push_back({group(devices)});
  return distinct(cluster, placements);
}

// A grid of tp x dp x pp ranks, tp fastest, on the given devices: its tensor and gradient groups and its stages.
std::vector<PlacedGroup> grid(int tp, int dp, int pp, const std::vector<int>& device) {
  std::vector<PlacedGroup> groups;
  const auto at = [&](int t, int d, int p) { return device[static_cast<std::size_t>(t + tp * (d + dp * p))]; };
  const auto add = [&](int kind, int n, const std::function<int(int)>& member) {
    PlacedGroup g{kind, {}};
    for (int i = 0; i < n; ++i) g.devices.emplace_back(member(i));
    groups.push_back(std::move(g));
  };
  for (int p = 0; p < pp; ++p) {
    for (int d = 0; d < dp; ++d) add(0, tp, [&](int t) { return at(t, d, p); });
    for (int t = 0; t < tp; ++t) add(1, dp, [&](int d) { return at(t, d, p); });
    add(2 + p, tp * dp, [&](int i) { return at(i % tp, i / tp, p); });
  }
  return groups;
}

std::vector<int> first(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace

TEST_CASE("the symmetries of one server are counted") {
  // DGX-1V: the double links form the ring 0-3-2-1-5-6-7-4, whose 16 symmetries the single links (0-1 0-2 1-3 2-6 3-7
  // 4-5 4-6 5-7) cut down to four: none, half a turn (0<->5 3<->6 2<->7 1<->4), and the reflections 0<->1 3<->2 4<->5
  // 7<->6 and 0<->4 1<->5 2<->6 3<->7. All keep the PCIe switches {0,1} {2,3} {4,5} {6,7}.
  CHECK(ClusterSymmetry(cluster_named("dgx-1v")).automorphisms() == 4);
  // Two sockets of two bridged pairs of two: (2^2 * 2)^2 * 2.
  CHECK(ClusterSymmetry(cluster_named("a100-pcie-nvlink-bridge")).automorphisms() == 128);
  // Two sockets of four alike GPUs: (4!)^2 * 2; the NICs of a DGX H100 follow their GPUs.
  CHECK(ClusterSymmetry(cluster_named("l40s-pcie-8gpu")).automorphisms() == 1152);
  CHECK(ClusterSymmetry(cluster_named("dgx-h100")).automorphisms() == 1152);
}

TEST_CASE("alike GPUs behind a switch are not enumerated") {
  Cluster cluster;
  cluster.node.gpus.assign(16, "GPU");
  cluster.node.relations.assign(16, std::vector<Relation>(16, {LinkClass::nvlink, 18}));
  CHECK(ClusterSymmetry(cluster).automorphisms() == Approx(20922789888000.0));  // 16!
}

TEST_CASE("rails are permuted on all nodes of a unit at once") {
  // Eight nodes under one set of rails: 8! nodes, and the 1152 symmetries of a node only once.
  CHECK(ClusterSymmetry(cluster_named("dgx-h100", 8)).automorphisms() == Approx(40320.0 * 1152));
  Cluster units = cluster_named("dgx-h100", 8);
  units.fabric.nodes_per_leaf = 4;  // two units: (4! * 1152)^2 * 2
  CHECK(ClusterSymmetry(units).automorphisms() == Approx(27648.0 * 27648 * 2));
  Cluster flat = cluster_named("dgx-h100", 2);
  flat.fabric.kind = FabricKind::single_switch;  // each node by itself: 1152^2 * 2
  CHECK(ClusterSymmetry(flat).automorphisms() == Approx(1152.0 * 1152 * 2));
}

TEST_CASE("groups of four on a DGX-1V fall into 22 classes") {
  // Burnside over the four symmetries: all C(8,4) = 70 sets are kept by the first; each other one swaps four pairs and
  // keeps the C(4,2) = 6 sets that are two of its pairs: (70 + 3 * 6) / 4 = 22.
  CHECK(distinct_groups(cluster_named("dgx-1v"), 4) == 22);
  // Pairs: 28 sets, of which each of the others keeps its four pairs: (28 + 3 * 4) / 4 = 10.
  CHECK(distinct_groups(cluster_named("dgx-1v"), 2) == 10);
}

TEST_CASE("a pair in a PCIe box is bridged, on one socket, or across sockets") {
  CHECK(distinct_groups(cluster_named("a100-pcie-nvlink-bridge"), 2) == 3);
  CHECK(distinct_groups(cluster_named("l40s-pcie-8gpu"), 2) == 2);  // no bridges
}

TEST_CASE("the 105 ways to pair eight GPUs of a bridged box are eight") {
  // By pairs that cross the sockets. None (9 ways): each socket bridged or crossed over: BB, BX, XX = 3.
  // Two (72 ways): in each socket the pair that stays is a bridge or not: both, one, neither = 3.
  // Four (24 ways): mates of a bridge go to mates of a bridge, or not = 2.
  CHECK(distinct(cluster_named("a100-pcie-nvlink-bridge"), pairings(first(8))) == 8);
}

TEST_CASE("a pair of GPUs of eight nodes: socket, rail and unit tell it") {
  // One node: same socket or not. Two nodes of a unit: same rail, rails of one socket, rails of two sockets.
  CHECK(distinct_groups(cluster_named("dgx-h100", 2), 2) == 5);
  const auto pairs_from_first = [](const Cluster& cluster) {
    std::vector<std::vector<PlacedGroup>> placements;
    for (int d = 1; d < cluster.world_size(); ++d) placements.push_back({group({0, d})});
    return distinct(cluster, placements, 0);  // colours find the orbits
  };
  Cluster cluster = cluster_named("dgx-h100", 8);
  CHECK(pairs_from_first(cluster) == 5);
  cluster.fabric.nodes_per_leaf = 4;  // other unit: its rails are permuted by themselves, so all pairs are alike
  CHECK(pairs_from_first(cluster) == 6);
  cluster.fabric.kind = FabricKind::fat_tree;  // 2 in the node, 1 in the unit, 1 beyond
  CHECK(pairs_from_first(cluster) == 4);
  cluster.fabric.kind = FabricKind::single_switch;
  CHECK(pairs_from_first(cluster) == 3);
}

TEST_CASE("ranks that play the same role are one") {
  const Cluster cluster = cluster_named("dgx-h100", 2);
  const std::vector<int> packed = first(16);
  // dp 0 and dp 1 trade places: ranks 0-3 with 4-7, 8-11 with 12-15.
  const std::vector<int> replicas = {4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11};
  // The pipeline starts on the other node.
  const std::vector<int> reversed = {8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7};
  // One tensor group takes a GPU of the other socket.
  const std::vector<int> mixed = {0, 1, 2, 4, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  CHECK(canonical_placement(cluster, grid(4, 2, 2, packed)) == canonical_placement(cluster, grid(4, 2, 2, replicas)));
  CHECK(canonical_placement(cluster, grid(4, 2, 2, packed)) == canonical_placement(cluster, grid(4, 2, 2, reversed)));
  CHECK_FALSE(canonical_placement(cluster, grid(4, 2, 2, packed)) ==
              canonical_placement(cluster, grid(4, 2, 2, mixed)));
}

TEST_CASE("kinds of groups are told apart") {
  const Cluster cluster = cluster_named("dgx-h100");
  const std::vector<PlacedGroup> tensor = {group({0, 1}, 0)}, data = {group({0, 1}, 1)};
  CHECK_FALSE(canonical_placement(cluster, tensor) == canonical_placement(cluster, data));
}

TEST_CASE("a slow GPU breaks the symmetry") {
  Cluster cluster = cluster_named("dgx-h100");
  cluster.stragglers.gpus.push_back({.gpu = 2, .speed = 0.5});
  CHECK(ClusterSymmetry(cluster).automorphisms() == 144);  // 3! * 4!
  const std::vector<PlacedGroup> with = {group({2, 3})}, without = {group({0, 1})};
  CHECK_FALSE(canonical_placement(cluster, with) == canonical_placement(cluster, without));
}

TEST_CASE("relabelled placements have the form of the original, and cheaply") {
  std::mt19937 random(1);
  Cluster cluster = cluster_named("dgx-h100", 4);
  cluster.fabric.nodes_per_leaf = 2;
  const ClusterSymmetry symmetry(cluster);
  for (int trial = 0; trial < 10; ++trial) {
    std::vector<int> device = first(32);
    std::shuffle(device.begin(), device.end(), random);
    // Units, the nodes of each, the sockets of all nodes and the GPUs of each socket, all permuted.
    const int units = static_cast<int>(random() % 2), nodes = static_cast<int>(random() % 4);
    std::vector<int> local = first(8);
    std::shuffle(local.begin(), local.begin() + 4, random);
    std::shuffle(local.begin() + 4, local.end(), random);
    if (random() % 2 == 0) std::rotate(local.begin(), local.begin() + 4, local.end());
    std::vector<int> moved;
    for (const int d : device) {
      const int unit = d / 16, node = d / 8 % 2;
      const int new_node = node ^ (nodes >> unit & 1);
      moved.push_back(((unit ^ units) * 2 + new_node) * 8 + local[static_cast<std::size_t>(d % 8)]);
    }
    CHECK(symmetry.fingerprint(grid(4, 4, 2, device)) == symmetry.fingerprint(grid(4, 4, 2, moved)));
    CHECK(symmetry.form(grid(4, 4, 2, device), 0) == symmetry.form(grid(4, 4, 2, moved), 0));
  }
}

}  // namespace trainyard
