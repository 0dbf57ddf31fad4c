#include "topology/cluster_yaml.hpp"

#include <catch2/catch.hpp>

#include "tests/topology/topology_words.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {
Cluster read(const std::string& yaml) { return read_cluster(read_yaml_text(yaml, "c.yaml")); }
std::string error(const std::string& yaml) {
  return error_of([&] { read(yaml); });
}
const std::string base = "gpu: h100-sxm-80gb\nnode: {topology: dgx-h100}\n";
const std::string nics = "nics: {bandwidth: 400Gbps}\n";
const std::string fabric = "fabric: {network: infiniband}\n";
}  // namespace

TEST_CASE("a preset's name, with another number of nodes, is a cluster") {
  const Cluster cluster = read_cluster(read_yaml_text("dgx-h100", "s.yaml"), 16);
  CHECK(cluster.nodes == 16);
  CHECK(cluster.world_size() == 128);
  CHECK(cluster.nvlink_bandwidth == 25.0_GBps);
  CHECK(cluster.nvlink_switch);
  CHECK(cluster.fabric.kind == FabricKind::rail_optimised);
}

TEST_CASE("an inline cluster takes what it leaves out from its GPU and its matrix") {
  const Cluster cluster = read(
      "{node: {topology: dgx-h100, gpu: h100-sxm-80gb}, nodes: 8, nics: {bandwidth: 400Gbps}, fabric: {network: "
      "roce}}");
  CHECK(cluster.gpu == "h100-sxm-80gb");
  CHECK(in_gib(cluster.gpu_memory) == Approx(81559.0 / 1024.0));
  CHECK(cluster.nvlink_bandwidth == 25.0_GBps);
  CHECK(cluster.nvlink_switch);  // 7 × 18 links per GPU cannot be point to point
  CHECK(cluster.fabric.kind == FabricKind::single_switch);
  CHECK_FALSE(read("{gpu: v100-sxm2-32gb, node: {topology: dgx-1v}}").nvlink_switch);
}

TEST_CASE("unknown names get a hint") {
  CHECK_THAT(error("dgx-h1000"), Contains("c.yaml:1:1") && Contains("did you mean 'dgx-h100'?"));
  CHECK_THAT(error(base + "node_count: 3\n"), Contains("c.yaml:3:1: unknown key 'node_count'"));
  CHECK_THAT(error("gpu: h100-sxm-80g\nnode: {topology: dgx-h100}\n"),
             Contains("missing key 'gpu_memory'") && Contains("did you mean 'h100-sxm-80gb'?"));
  CHECK_THAT(error(base + "fabric: {network: infinband}\n"), Contains("did you mean 'infiniband'?"));
  CHECK_THAT(error("gpu: h100-sxm-80gb\nnode: {topology: nowhere.txt}\n"),
             Contains("c.yaml:2:18: node.topology 'nowhere.txt': cannot open the file"));
  CHECK_THAT(error("gpu: h100-sxm-80gb\nnode: {}\n"), Contains("missing key 'topology' in node"));
  CHECK_THAT(error("node: {topology: dgx-h100}\n"), Contains("missing key 'gpu'"));
  CHECK_THAT(error("gpu: a\nnode: {topology: dgx-h100, gpu: b}\n"), Contains("given twice"));
  CHECK_THAT(error("[1, 2]"), Contains("must be a mapping"));
}

TEST_CASE("impossible numbers are refused at their key") {
  for (const char* nodes : {"0", "-3", "131073", "1e3", "NaN", "many", "99999999999999999999", "[]"})
    CHECK_THAT(error(base + nics + fabric + "nodes: " + nodes + "\n"), Catch::StartsWith("c.yaml:5:8:"));
  for (const char* rate : {"0GB/s", "-5GB/s", "25", "nan", "1e30GB/s", "25GiB", "1B/s"})
    CHECK_THAT(error(base + "pcie_bandwidth: " + rate + "\n"), Contains("c.yaml:3:17:"));
  for (const char* memory : {"0GiB", "80", "1KiB", "9999TiB"})
    CHECK_THAT(error(base + "gpu_memory: " + memory + "\n"), Contains("c.yaml:3:13:"));
  for (const char* ratio : {"0.5", "0", "-1", ".nan", "1e9"})
    CHECK_THAT(
        error(base + "fabric: {kind: fat-tree, nodes_per_leaf: 2, oversubscription: " + std::string(ratio) + "}\n"),
        Contains("oversubscription"));
  CHECK_THAT(error_of([] { read_cluster_file("dgx-h100", 0); }), Contains("nodes is 0, outside 1 to 131072"));
}

TEST_CASE("what contradicts itself is refused") {
  CHECK_THAT(error("gpu: h100-sxm-80gb\nnode: {topology: dgx-h100}\nnodes: 2\n"),
             Contains("2 nodes, but no nics.bandwidth"));
  CHECK_THAT(error(base + nics + "nodes: 2\n"), Contains("2 nodes, but no fabric.network"));
  CHECK_THAT(error(base + "nics: {bandwidth: 400Gbps, count: 4}\n"),
             Contains("nics.count is 4, but the topology shows 8 NICs"));
  CHECK_THAT(error(base + "nics: {bandwidth: 400Gbps, only: [mlx5_0, mlx5_77]}\n"),
             Contains("the topology has no NIC 'mlx5_77'"));
  CHECK_THAT(error("gpu: l40s-48gb\nnode: {topology: l40s-pcie-8gpu}\nnvlink: {bandwidth_per_link: 25GB/s}\n"),
             Contains("the topology shows no NVLink"));
  CHECK_THAT(error(base + "nvlink: {switch: false}\n"), Contains("more than 18 NVLinks"));
  CHECK_THAT(error(base + "nvlink: {links: 4}\n"), Contains("already shows its NVLinks"));
  CHECK_THAT(error("gpu: v100-sxm2-32gb\nnode: {topology: dgx-1v}\nnvlink: {multicast: true}\n"),
             Contains("multicast needs an NVLink switch"));
  CHECK_THAT(error("gpu: v100-sxm2-32gb\nnode: {topology: dgx-1v}\nnvlink: {domain_nodes: 2}\n"),
             Contains("needs an NVLink switch"));
  CHECK_THAT(error(base + "fabric: {nodes_per_leaf: 4}\n"), Contains("a single switch has no leaves"));
  CHECK_THAT(error(base + "fabric: {kind: fat-tree, oversubscription: 2}\n"),
             Contains("oversubscription needs nodes_per_leaf"));
}

TEST_CASE("chosen NICs are kept in the matrix's order and by either name") {
  const Cluster cluster = read(base + "nics: {bandwidth: 400Gbps, only: [NIC5, mlx5_1], count: 2}\n");
  CHECK(cluster.node.nics == std::vector<std::string>{"NIC1", "NIC5"});
  CHECK(cell(cluster.node, "GPU5", "NIC5") == "PIX");
  CHECK(cell(cluster.node, "GPU1", "NIC5") == "SYS");
}

TEST_CASE("a matrix without NICs takes an assumed number of them, and says so") {
  const std::string file = std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/topologies/l40s-pcie-8gpu.txt";
  const Cluster box = read("gpu: l40s-48gb\nnode: {topology: " + file +
                           "}\nnics: {bandwidth: 100Gbps, only: [], count: 4}\nnodes: 2\n" + fabric);
  CHECK(box.node.nics.size() == 4);
  CHECK(Routes(box).nic_share(0) == 6.25_GBps);  // 100 Gb/s for two GPUs
  REQUIRE(box.node.warnings.size() == 1);
  CHECK_THAT(box.node.warnings[0], Contains("4 are assumed"));
}

TEST_CASE("a rack's nodes need NICs only beyond their NVLink domain") {
  const std::string rack =
      "gpu: gb200-186gb\nnode: {topology: gb200-nvl72}\nnvlink: {switch: true, domain_nodes: 18}\n";
  CHECK(read(rack + "nodes: 18\n").world_size() == 72);
  CHECK_THAT(error(rack + "nodes: 19\n"), Contains("19 nodes, but no nics.bandwidth"));
}
