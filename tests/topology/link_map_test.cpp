#include "topology/link_map.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <set>

#include "sim/base/scenario_files.hpp"
#include "tests/topology/topology_words.hpp"

using namespace trainyard;

namespace {
// A path as one line: "node 0 GPU0 NVLink out, node 0 GPU1 NVLink in"; shares other than 1 stand before the link.
std::string way(const LinkMap& links, int a, int b) {
  std::vector<LinkLoad> loads;
  links.path(DeviceId(a), DeviceId(b), loads);
  std::vector<std::string> parts;
  for (const LinkLoad& l : loads)
    parts.push_back(l.share == 1.0 ? links.name(l.link) : fmt::format("{} of {}", l.share, links.name(l.link)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

int find(const LinkMap& links, const std::string& name) {
  for (int id = 0; id < links.size(); ++id)
    if (links.name(id) == name) return id;
  FAIL("no link called " << name);
  return 0;
}
SharedLink called(const LinkMap& links, const std::string& name) { return links.link(find(links, name)); }

Routes preset(const std::string& name, int nodes) { return Routes(read_cluster_file(name, nodes)); }
Routes with_fabric(const std::string& name, int nodes, const Fabric& fabric) {
  Cluster cluster = read_cluster_file(name, nodes);
  cluster.fabric = fabric;
  return Routes(cluster);
}
Routes with_links(const std::string& name, const std::vector<DegradedLink>& degraded) {
  Cluster cluster = read_cluster_file(name, 2);
  cluster.stragglers.links = degraded;
  return Routes(cluster);
}

double total(const LinkMap& links, const std::vector<LinkLoad>& loads, SharedLinkKind kind) {
  double sum = 0;
  for (const LinkLoad& l : loads)
    if (links.link(l.link).kind == kind) sum += l.share;
  return sum;
}
}  // namespace

TEST_CASE("in every preset every two GPUs have a path over links that exist and carry something") {
  for (const std::string& name : scenario_names("clusters"))
    for (const int nodes : {1, 2, 3}) {
      const Routes routes = preset(name, nodes);
      const LinkMap links(routes);
      INFO(name << " " << nodes);
      std::vector<LinkLoad> loads;
      for (int a = 0; a < routes.cluster().world_size(); ++a)
        for (int b = 0; b < routes.cluster().world_size(); ++b) {
          loads.clear();
          links.path(DeviceId(a), DeviceId(b), loads);
          INFO(a << " to " << b);
          REQUIRE(loads.empty() == (a == b));
          const double nics = links.same_host(DeviceId(a), DeviceId(b)) ? 0.0 : 1.0;
          REQUIRE(total(links, loads, SharedLinkKind::nic_out) == Approx(nics));
          REQUIRE(total(links, loads, SharedLinkKind::nic_in) == Approx(nics));
          for (const LinkLoad& l : loads) REQUIRE((l.link >= 0 && l.link < links.size() && l.share > 0));
        }
    }
}

TEST_CASE("every link of every preset has a name of its own and a bandwidth") {
  for (const std::string& name : scenario_names("clusters")) {
    const Routes routes = preset(name, 2);
    const LinkMap links(routes);
    std::set<std::string> names;
    for (int id = 0; id < links.size(); ++id) {
      INFO(name << ": " << links.name(id));
      CHECK(names.insert(links.name(id)).second);
      CHECK(links.link(id).bandwidth.value > 0);
      CHECK(links.link(id).health == 1.0);
    }
  }
}

TEST_CASE("behind an NVSwitch two GPUs meet in their ports") {
  const Routes routes = preset("dgx-h100", 1);
  const LinkMap links(routes);
  CHECK(way(links, 0, 5) == "node 0 GPU0 NVLink out, node 0 GPU5 NVLink in");
  CHECK(called(links, "node 0 GPU0 NVLink out").bandwidth == 450.0_GBps);  // 18 × 25
  CHECK(called(links, "node 0 GPU5 NVLink in").bandwidth == 450.0_GBps);
}

TEST_CASE("a NIC under the GPU's PCIe switch is reached without the host") {
  const Routes routes = preset("dgx-h100", 2);
  const LinkMap links(routes);
  CHECK(way(links, 2, 10) ==
        "node 0 GPU2 to PCIe switch 2, node 0 PCIe switch 2 to NIC2, node 0 NIC2 out, "
        "node 1 NIC2 in, node 1 NIC2 to PCIe switch 2, node 1 PCIe switch 2 to GPU2");
  CHECK(called(links, "node 0 NIC2 out").bandwidth == 50.0_GBps);               // 400 Gb/s
  CHECK(called(links, "node 0 GPU2 to PCIe switch 2").bandwidth == 63.0_GBps);  // PCIe 5 x16
}

TEST_CASE("without an NVSwitch neighbours use the NVLinks between them and others PCIe") {
  const Routes routes = preset("dgx-1v", 1);
  const LinkMap links(routes);
  CHECK(way(links, 0, 3) == "node 0 GPU0 NVLink to GPU3");
  CHECK(way(links, 3, 0) == "node 0 GPU3 NVLink to GPU0");
  CHECK(called(links, "node 0 GPU0 NVLink to GPU3").bandwidth == 50.0_GBps);  // NV2 × 25
  CHECK(way(links, 0, 5) ==
        "node 0 GPU0 to PCIe switch 0, node 0 PCIe switch 0 to host bridge 0, node 0 host bridge 0 to NUMA node 0, "
        "node 0 NUMA node 0 to NUMA interconnect 0, node 0 NUMA interconnect 0 to NUMA node 1, "
        "node 0 NUMA node 1 to host bridge 1, node 0 host bridge 1 to PCIe switch 2, node 0 PCIe switch 2 to GPU5");
  CHECK(called(links, "node 0 NUMA node 0 to NUMA interconnect 0").kind == SharedLinkKind::socket);
  CHECK(called(links, "node 0 NUMA node 0 to NUMA interconnect 0").bandwidth == 6.0_GBps);  // QPI
}

TEST_CASE("in a PCIe box GPUs of a socket do not cross to the other") {
  const Routes routes = preset("l40s-pcie-8gpu", 2);
  const LinkMap links(routes);
  CHECK(way(links, 0, 3) == "node 0 GPU0 to NUMA node 0, node 0 NUMA node 0 to GPU3");
  CHECK(way(links, 0, 4) ==
        "node 0 GPU0 to NUMA node 0, node 0 NUMA node 0 to NUMA interconnect 0, "
        "node 0 NUMA interconnect 0 to NUMA node 1, node 0 NUMA node 1 to GPU4");
  // Four GPUs share NIC0, and one link.
  CHECK(way(links, 1, 12) ==
        "node 0 GPU1 to NUMA node 0, node 0 NUMA node 0 to NIC0, node 0 NIC0 out, "
        "node 1 NIC1 in, node 1 NIC1 to NUMA node 1, node 1 NUMA node 1 to GPU4");
}

TEST_CASE("a GPU with several nearest NICs splits its bytes over them") {
  const Routes routes = preset("dgx-a100-80gb", 2);
  const LinkMap links(routes);
  CHECK(way(links, 0, 8) ==
        "0.5 of node 0 GPU0 to PCIe switch 0, 0.5 of node 0 PCIe switch 0 to NIC0, 0.5 of node 0 NIC0 out, "
        "0.5 of node 0 GPU0 to PCIe switch 0, 0.5 of node 0 PCIe switch 0 to NIC1, 0.5 of node 0 NIC1 out, "
        "0.5 of node 1 NIC0 in, 0.5 of node 1 NIC0 to PCIe switch 0, 0.5 of node 1 PCIe switch 0 to GPU0, "
        "0.5 of node 1 NIC1 in, 0.5 of node 1 NIC1 to PCIe switch 0, 0.5 of node 1 PCIe switch 0 to GPU0");
}

TEST_CASE("on rails the bytes move over NVLink to the receiver's rail first") {
  const Routes routes = with_fabric("dgx-h100", 4, {FabricKind::rail_optimised, 2, 2.0, "infiniband"});
  const LinkMap links(routes);
  CHECK(way(links, 0, 11) ==
        "node 0 GPU0 NVLink out, node 0 GPU3 NVLink in, node 0 GPU3 to PCIe switch 3, node 0 PCIe switch 3 to NIC3, "
        "node 0 NIC3 out, node 1 NIC3 in, node 1 NIC3 to PCIe switch 3, node 1 PCIe switch 3 to GPU3");
  CHECK_THAT(way(links, 3, 19), Catch::Contains("node 0 NIC3 out, unit 0 leaf 3 up, unit 1 leaf 3 down, node 2 NIC3"));
  CHECK(called(links, "unit 0 leaf 3 up").bandwidth == 50.0_GBps);  // 2 nodes × 50 / 2
  CHECK(called(links, "unit 1 leaf 3 down").bandwidth == 50.0_GBps);
}

TEST_CASE("without NVLink another rail lies above the leaves") {
  const Routes routes = with_fabric("l40s-pcie-8gpu", 2, {FabricKind::rail_optimised, 2, 2.0, "infiniband"});
  const LinkMap links(routes);
  CHECK_THAT(way(links, 0, 12), Catch::Contains("node 0 NIC0 out, unit 0 leaf 0 up, unit 0 leaf 1 down, node 1 NIC1"));
  CHECK_THAT(way(links, 0, 11), !Catch::Contains("leaf"));
}

TEST_CASE("a fat tree has one leaf per unit, whose uplinks are all ports over the oversubscription") {
  const Routes routes = with_fabric("dgx-h100", 5, {FabricKind::fat_tree, 2, 4.0, "roce"});
  const LinkMap links(routes);
  CHECK_THAT(way(links, 0, 8), !Catch::Contains("leaf"));  // nodes 0 and 1 share the leaf
  CHECK_THAT(way(links, 0, 16), Catch::Contains("node 0 NIC0 out, unit 0 leaf 0 up, unit 1 leaf 0 down, node 2 NIC0"));
  CHECK_THAT(way(links, 0, 32), Catch::Contains("unit 2 leaf 0 down"));
  CHECK(called(links, "unit 0 leaf 0 up").bandwidth == 200.0_GBps);  // 2 × 8 × 50 / 4
  CHECK(called(links, "unit 0 leaf 0 up").link == LinkClass::spine);
}

TEST_CASE("one switch has no uplinks") {
  const Routes routes = preset("aws-p4d", 3);
  const LinkMap links(routes);
  // Per node 8 GPU ports in and out, 8 + 4 devices on 4 PCIe switches on 2 sockets below one root, 4 NICs: 2 (8 + 18 +
  // 4)
  CHECK(links.size() == 3 * 2 * (8 + 12 + 4 + 2 + 4));
}

TEST_CASE("the trays of an NVL72 rack meet in NVLink ports, racks over NICs") {
  const Routes routes = preset("gb200-nvl72", 36);
  const LinkMap links(routes);
  CHECK(way(links, 0, 71) == "node 0 GPU0 NVLink out, node 17 GPU3 NVLink in");
  CHECK(called(links, "node 17 GPU3 NVLink in").bandwidth == 900.0_GBps);  // 18 × 50
  CHECK_THAT(way(links, 0, 72), Catch::Contains("node 0 NIC0 out, node 18 NIC0 in"));
}

TEST_CASE("degraded parts slow their own links in both directions") {
  const Routes routes =
      with_links("dgx-h100",
                 {{DegradedPart::nvlink, 0, 2, 0.5}, {DegradedPart::pcie, 1, 3, 0.25}, {DegradedPart::nic, 1, 7, 0.1}});
  const LinkMap links(routes);
  CHECK(called(links, "node 0 GPU2 NVLink out").bandwidth == 225.0_GBps);
  CHECK(called(links, "node 0 GPU2 NVLink in").bandwidth == 225.0_GBps);
  CHECK(called(links, "node 0 GPU2 NVLink in").health == 0.5);
  CHECK(called(links, "node 1 GPU2 NVLink out").bandwidth == 450.0_GBps);
  CHECK(called(links, "node 1 GPU3 to PCIe switch 3").bandwidth == 15.75_GBps);  // 63 / 4
  CHECK(called(links, "node 1 PCIe switch 3 to GPU3").bandwidth == 15.75_GBps);
  CHECK(called(links, "node 1 PCIe switch 3 to NIC3").bandwidth == 63.0_GBps);
  CHECK(called(links, "node 1 NIC7 out").bandwidth.value == Approx(5e9));  // 50 / 10
  CHECK(called(links, "node 1 NIC7 in").bandwidth.value == Approx(5e9));
  CHECK(called(links, "node 0 NIC7 in").bandwidth == 50.0_GBps);
}

TEST_CASE("NVLinks between two degraded GPUs are as slow as the slower one") {
  const Routes routes = with_links("dgx-1v", {{DegradedPart::nvlink, 0, 0, 0.5}, {DegradedPart::nvlink, 0, 3, 0.8}});
  const LinkMap links(routes);
  CHECK(called(links, "node 0 GPU0 NVLink to GPU3").bandwidth == 25.0_GBps);
  CHECK(called(links, "node 0 GPU3 NVLink to GPU0").bandwidth == 25.0_GBps);
  CHECK(called(links, "node 0 GPU3 NVLink to GPU2").bandwidth == 40.0_GBps);
}

TEST_CASE("a matrix that hides every PCIe relation behind NVLink still has PCIe paths") {
  Cluster cluster = read_cluster_file("dgx-1v", 1);
  for (std::vector<std::string>* affinity : {&cluster.node.cpu_affinity, &cluster.node.numa_affinity})
    affinity->clear();
  cluster.node.nics.clear();
  cluster.node.nic_names.clear();
  cluster.node.relations.resize(8);
  for (auto& row : cluster.node.relations) row.resize(8);
  const Routes routes(cluster);
  const LinkMap links(routes);
  for (int a = 0; a < 8; ++a)
    for (int b = 0; b < 8; ++b) CHECK(way(links, a, b).empty() == (a == b));
}

TEST_CASE("sixteen thousand GPUs are mapped at once") {
  const Routes routes = preset("dgx-h100", 2048);
  const auto start = std::chrono::steady_clock::now();
  const LinkMap links(routes);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  CHECK(taken.count() < 0.05);  // 0.2 ms on an idle machine; the margin is for sanitizers and busy ones
  CHECK(links.link(links.size() - 1).node == 63);  // 2048 nodes / 32 per unit
  CHECK(way(links, 0, 16383).ends_with("node 2047 PCIe switch 7 to GPU7"));
}
