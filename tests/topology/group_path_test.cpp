#include "topology/group_path.hpp"

#include <catch2/catch.hpp>

#include <chrono>

#include "tests/topology/topology_words.hpp"

using namespace trainyard;

namespace {
Routes preset(const std::string& name, int nodes) { return Routes(read_cluster_file(name, nodes)); }

Routes with_fabric(const std::string& name, int nodes, const Fabric& fabric) {
  Cluster cluster = read_cluster_file(name, nodes);
  cluster.fabric = fabric;
  return Routes(cluster);
}
// What a member gets from the outermost tier while the sibling groups are silent; 0 = the tier's bandwidth.
BytesPerSecond alone(const Routes& routes, const std::vector<int>& members) {
  std::vector<DeviceId> devices;
  for (int m : members) devices.emplace_back(m);
  return group_path(routes, devices).tiers.back().alone;
}
}  // namespace

TEST_CASE("a group of one crosses nothing") { CHECK(tiers(preset("dgx-h100", 1), {3}).empty()); }

TEST_CASE("tensor parallelism inside a DGX H100 uses the GPU's whole NVLink width") {
  const Routes routes = preset("dgx-h100", 4);
  // 18 links × 25 GB/s = 450 GB/s, through a switch that can multicast
  CHECK(tiers(routes, every(1, 8)) == "8 NVLink 450.0 GB/s multicast");
  CHECK(tiers(routes, {8, 9}) == "2 NVLink 450.0 GB/s multicast");
}

TEST_CASE("data-parallel groups over rails get a NIC per GPU") {
  const Routes routes = preset("dgx-h100", 4);
  CHECK(tiers(routes, {0, 8, 16, 24}) == "4 NET 50.00 GB/s");  // 400 Gb/s
  CHECK(tiers(routes, {4, 12}) == "2 NET 50.00 GB/s");
  CHECK(tiers(routes, every(1, 32)) == "8 NVLink 450.0 GB/s multicast, 4 NET 50.00 GB/s");
  CHECK(tiers(routes, {0, 1, 8, 9}) == "2 NVLink 450.0 GB/s multicast, 2 NET 50.00 GB/s");
}

TEST_CASE("the order of the members does not matter") {
  const Routes routes = preset("dgx-h100", 4);
  CHECK(tiers(routes, {25, 0, 9, 16, 1, 24, 8, 17}) == tiers(routes, {0, 1, 8, 9, 16, 17, 24, 25}));
}

TEST_CASE("an uneven group is described by its largest island") {
  CHECK(tiers(preset("dgx-h100", 2), {0, 1, 2, 8}) == "3 NVLink 450.0 GB/s multicast, 2 NET 50.00 GB/s");
}

TEST_CASE("the DGX-1 mesh carries as many rings as its links allow") {
  const Routes routes = preset("dgx-1v", 1);
  // 6 links per GPU = 3 rings driven both ways = 6 × 25 GB/s
  CHECK(tiers(routes, every(1, 8)) == "8 NVLink 150.0 GB/s");
  // GPU0-3: links 01:1 02:1 03:2 12:2 13:1 23:2; GPU0 has 4 of them, so 2 rings both ways = 4 × 25 GB/s
  CHECK(tiers(routes, {0, 1, 2, 3}) == "4 NVLink 100.0 GB/s");
  CHECK(tiers(routes, {0, 3}) == "2 NVLink 50.00 GB/s");  // NV2
  CHECK(tiers(routes, {0, 1}) == "2 NVLink 25.00 GB/s");  // NV1
}

TEST_CASE("where no NVLink ring visits all members, PCIe carries the group") {
  const Routes routes = preset("dgx-1v", 1);
  // 0-5 is SYS. Four such pairs share the 6 GB/s between the sockets: 1.5 GB/s.
  CHECK(tiers(routes, {0, 5}) == "2 SYS 1.500 GB/s");
  // 0-1 and 1-5 are linked but 0-5 is not: no ring of three. 8 / 3 = 2 groups share 6 GB/s.
  CHECK(tiers(routes, {0, 1, 5}) == "3 SYS 3.000 GB/s");
  // 0-1 and 6-7 are NV1 and NV2 pairs with no link across: the slower pair, then two groups between the sockets.
  CHECK(tiers(routes, {0, 1, 6, 7}) == "2 NVLink 25.00 GB/s, 2 SYS 3.000 GB/s");
}

TEST_CASE("a PCIe box meets on its sockets, then between them") {
  const Routes routes = preset("l40s-pcie-8gpu", 2);
  CHECK(tiers(routes, {0, 1}) == "2 NODE 31.50 GB/s");  // PCIe 4 x16
  CHECK(tiers(routes, {0, 1, 2, 3}) == "4 NODE 31.50 GB/s");
  CHECK(tiers(routes, every(1, 8)) == "8 SYS 22.00 GB/s");  // one ring crosses the sockets once
  CHECK(tiers(routes, {0, 4}) == "2 SYS 5.500 GB/s");       // four pairs cross: 22 / 4
  CHECK(tiers(routes, {0, 8}) == "2 NET 6.250 GB/s");       // 200 Gb/s = 25 GB/s for four GPUs
}

TEST_CASE("bridged pairs use NVLink, then PCIe between the pairs") {
  const Routes routes = preset("a100-pcie-nvlink-bridge", 1);
  CHECK(tiers(routes, {0, 1}) == "2 NVLink 300.0 GB/s");  // 12 × 25
  CHECK(tiers(routes, {0, 1, 2, 3}) == "2 NVLink 300.0 GB/s, 2 NODE 31.50 GB/s");
  CHECK(tiers(routes, every(1, 8)) == "2 NVLink 300.0 GB/s, 4 SYS 16.00 GB/s");
}

TEST_CASE("NICs are shared by the GPUs nearest to them") {
  CHECK(tiers(preset("aws-p4d", 4), {0, 8, 16, 24}) == "4 NET 6.250 GB/s");  // 4 × 100 Gb/s for 8 GPUs
  CHECK(tiers(preset("aws-p5", 2), {0, 8}) == "2 NET 50.00 GB/s");           // 4 × 100 Gb/s per GPU
  CHECK(tiers(preset("gcp-a3-high", 2), {0, 8}) == "2 NET 12.50 GB/s");      // 200 Gb/s for 2 GPUs
  CHECK(tiers(preset("dgx-a100-80gb", 2), {0, 8}) == "2 NET 25.00 GB/s");    // 2 × 200 Gb/s for 2 GPUs
}

TEST_CASE("an NVL72 rack is one NVLink domain of 72 GPUs") {
  const Routes routes = preset("gb200-nvl72", 36);
  CHECK(tiers(routes, every(1, 72)) == "72 NVLink 900.0 GB/s multicast");  // 18 × 50
  CHECK(tiers(routes, {0, 71}) == "2 NVLink 900.0 GB/s multicast");
  CHECK(tiers(routes, {0, 72}) == "2 NET 50.00 GB/s");  // the other rack
  CHECK(tiers(routes, every(1, 144)) == "72 NVLink 900.0 GB/s multicast, 2 NET 50.00 GB/s");
}

TEST_CASE("leaving the leaf costs the oversubscription") {
  const Fabric tree{FabricKind::fat_tree, 2, 4.0, "roce"};
  const Routes routes = with_fabric("dgx-h100", 4, tree);
  CHECK(tiers(routes, {0, 8}) == "2 NET 50.00 GB/s");     // nodes 0 and 1 share a leaf
  CHECK(tiers(routes, {0, 16}) == "2 SPINE 12.50 GB/s");  // 50 / 4
  CHECK(tiers(routes, every(8, 32)) == "4 SPINE 12.50 GB/s");
}

TEST_CASE("rails of one scalable unit stay on their leaves, other units lie behind the spine") {
  const Fabric rails{FabricKind::rail_optimised, 2, 2.0, "infiniband"};
  const Routes routes = with_fabric("dgx-h100", 4, rails);
  CHECK(tiers(routes, {3, 11}) == "2 NET 50.00 GB/s");    // same rail
  CHECK(tiers(routes, {3, 12}) == "2 NET 50.00 GB/s");    // other rail, reached over NVLink first
  CHECK(tiers(routes, {3, 19}) == "2 SPINE 25.00 GB/s");  // other unit: 50 / 2
  CHECK(tiers(with_fabric("l40s-pcie-8gpu", 2, rails), {0, 12}) ==
        "2 SPINE 3.125 GB/s");  // no NVLink to the other rail
}

TEST_CASE("a group alone has the NICs to itself that its siblings would share") {
  CHECK(alone(preset("aws-p4d", 4), {0, 8, 16, 24}) == 12.5_GBps);       // 100 Gb/s, else for two GPUs
  CHECK(alone(preset("dgx-a100-80gb", 2), {0, 8}) == 50.0_GBps);         // both NICs of the pair
  CHECK(alone(preset("l40s-pcie-8gpu", 2), {8, 0}) == 25.0_GBps);        // 200 Gb/s, else for four GPUs
  CHECK(alone(preset("l40s-pcie-8gpu", 2), {0, 1, 8, 9}) == 12.5_GBps);  // two members share it still
  CHECK(alone(preset("aws-p4d", 2), every(1, 16)) == BytesPerSecond{});  // nobody else is there
  CHECK(alone(preset("dgx-h100", 4), {0, 8}) == BytesPerSecond{});       // a NIC each: as with siblings
  CHECK(alone(preset("dgx-h100", 1), {0, 1}) == BytesPerSecond{});
}

TEST_CASE("a group alone has the spine and the sockets to itself") {
  const Fabric tree{FabricKind::fat_tree, 2, 4.0, "roce"};
  CHECK(alone(with_fabric("dgx-h100", 4, tree), {0, 16}) == 50.0_GBps);  // not 50 / 4
  CHECK(alone(preset("l40s-pcie-8gpu", 1), {0, 4}) == 22.0_GBps);        // not 22 / 4 pairs
  CHECK(alone(preset("l40s-pcie-8gpu", 1), every(1, 8)) == BytesPerSecond{});
  CHECK(alone(preset("l40s-pcie-8gpu", 1), {0, 1}) == BytesPerSecond{});  // one socket
}

TEST_CASE("a step's worth of lookups fits into half a millisecond even with 2048 members each") {
  const Routes routes = preset("dgx-h100", 2048);
  std::vector<DeviceId> members;
  for (int d = 0; d < routes.cluster().world_size(); d += 8) members.emplace_back(d);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) CHECK(group_path(routes, members).tiers.size() == 1);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  CHECK(taken.count() < 0.05);  // 0.2 ms on an idle machine; the margin is for sanitizers and busy ones
}
