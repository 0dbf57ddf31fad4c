#include "topology/stragglers_yaml.hpp"

#include <catch2/catch.hpp>

#include "tests/topology/topology_words.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {
Stragglers read(const std::string& yaml) {
  Cluster cluster = read_cluster_file("dgx-h100", 4);
  add_stragglers(cluster, read_yaml_text(yaml, "s.yaml"));
  return cluster.stragglers;
}
std::string error(const std::string& yaml) {
  return error_of([&] { read(yaml); });
}
const std::string cluster_head =
    "gpu: h100-sxm-80gb\nnode: {topology: dgx-h100}\nnics: {bandwidth: 400Gbps}\nfabric: {network: roce}\nnodes: 4\n";
Cluster read_file(const std::string& stragglers, std::optional<int> nodes = std::nullopt) {
  return read_cluster(read_yaml_text(cluster_head + stragglers, "c.yaml"), nodes);
}
}  // namespace

TEST_CASE("slow GPUs are given by global index or inside a node") {
  const Stragglers s = read("gpus: [{gpu: 13, speed: 0.8}, {node: 2, gpu: 5, speed: 0.9}]");
  CHECK(s.gpus == std::vector<SlowGpu>{{13, 0.8}, {21, 0.9}});  // 2 × 8 + 5
  CHECK(s.any());
}

TEST_CASE("degraded links are a NIC's or a GPU's") {
  const Stragglers s = read(
      "links: [{node: 1, nic: 3, bandwidth: 0.5}, {node: 1, nic: NIC4, bandwidth: 0.4},\n"
      "        {node: 0, nic: mlx5_7, bandwidth: 0.3}, {node: 0, gpu: 2, nvlink: 0.5}, {gpu: 9, nvlink: 0.6, pcie: "
      "0.7}]");
  CHECK(s.links == std::vector<DegradedLink>{{DegradedPart::nic, 1, 3, 0.5},
                                             {DegradedPart::nic, 1, 4, 0.4},
                                             {DegradedPart::nic, 0, 7, 0.3},
                                             {DegradedPart::nvlink, 0, 2, 0.5},
                                             {DegradedPart::nvlink, 1, 1, 0.6},
                                             {DegradedPart::pcie, 1, 1, 0.7}});
}

TEST_CASE("jitter and its seed are read") {
  const Stragglers s = read("{jitter: 0.02, seed: 7}");
  CHECK(s.jitter == 0.02);
  CHECK(s.seed == 7);
  CHECK_FALSE(read("{seed: 7}").any());
  CHECK(read("{jitter: 0.5}").jitter == 0.5);
}

TEST_CASE("parts that the cluster does not have are refused at their key") {
  CHECK_THAT(error("gpus: [{gpu: 32, speed: 0.8}]"), Contains("s.yaml:1:14: gpus[0].gpu is 32, outside 0 to 31"));
  CHECK_THAT(error("gpus: [{gpu: -1, speed: 0.8}]"), Contains("outside 0 to 31"));
  CHECK_THAT(error("gpus: [{node: 4, gpu: 0, speed: 0.8}]"), Contains("gpus[0].node is 4, outside 0 to 3"));
  CHECK_THAT(error("gpus: [{node: 0, gpu: 8, speed: 0.8}]"), Contains("gpus[0].gpu is 8, outside 0 to 7"));
  CHECK_THAT(error("links: [{node: 0, nic: 8, bandwidth: 0.8}]"), Contains("links[0].nic is 8, outside 0 to 7"));
  CHECK_THAT(error("links: [{node: 0, nic: mlx5_77, bandwidth: 0.8}]"),
             Contains("has no NIC 'mlx5_77'") && Contains("did you mean 'mlx5_7'?"));
  CHECK_THAT(error("links: [{node: 9, gpu: 2, pcie: 0.8}]"), Contains("links[0].node is 9, outside 0 to 3"));
  Cluster box = read_cluster_file("l40s-pcie-8gpu", 1);
  CHECK_THAT(error_of([&] { add_stragglers(box, read_yaml_text("links: [{gpu: 2, nvlink: 0.8}]", "s.yaml")); }),
             Contains("s.yaml:1:26: GPU 2 of a node has no NVLink"));
}

TEST_CASE("a part listed twice is refused") {
  CHECK_THAT(error("gpus: [{gpu: 13, speed: 0.8}, {node: 1, gpu: 5, speed: 0.9}]"),
             Contains("s.yaml:1:31: GPU 13 is listed twice"));
  CHECK_THAT(error("links: [{node: 1, nic: 3, bandwidth: 0.5}, {node: 1, nic: NIC3, bandwidth: 0.4}]"),
             Contains("NIC 3 of node 1 is listed twice"));
  CHECK_THAT(error("links: [{gpu: 9, pcie: 0.5}, {node: 1, gpu: 1, pcie: 0.5}]"),
             Contains("PCIe 1 of node 1 is listed twice"));
}

TEST_CASE("factors and jitter outside a sane range are refused") {
  for (const char* speed : {"0", "-1", "nan", ".inf", "1e-9", "1e300", "fast", "[]", "''"})
    CHECK_THAT(error("gpus: [{gpu: 1, speed: " + std::string(speed) + "}]"), Contains("s.yaml:1:24: gpus[0].speed"));
  CHECK_THAT(error("links: [{node: 0, nic: 0, bandwidth: 0}]"), Contains("outside 0.001 to 10"));
  CHECK_THAT(error("jitter: 0.51"), Contains("outside 0 to 0.5"));
  CHECK_THAT(error("jitter: -0.1"), Contains("outside 0 to 0.5"));
  CHECK_THAT(error("seed: -1"), Contains("seed is -1"));
  CHECK_THAT(error("seed: 99999999999999999999"), Contains("outside"));
}

TEST_CASE("entries that lack a key or have too many are refused") {
  CHECK_THAT(error("gpus: [{gpu: 1}]"), Contains("missing key 'speed' in gpus[0]"));
  CHECK_THAT(error("gpus: [{speed: 1}]"), Contains("missing key 'gpu' in gpus[0]"));
  CHECK_THAT(error("gpus: [{gpu: 1, speed: 1, colour: red}]"), Contains("unknown key 'colour'"));
  CHECK_THAT(error("gpus: {gpu: 1, speed: 1}"), Contains("gpus must be a list"));
  CHECK_THAT(error("gpus: [13]"), Contains("must be a mapping"));
  CHECK_THAT(error("links: [{node: 1, bandwidth: 0.5}]"), Contains("either a NIC's or a GPU's"));
  CHECK_THAT(error("links: [{node: 1, nic: 0, gpu: 0, bandwidth: 0.5}]"), Contains("either a NIC's or a GPU's"));
  CHECK_THAT(error("links: [{nic: 0, bandwidth: 0.5}]"), Contains("missing key 'node'"));
  CHECK_THAT(error("links: [{node: 1, gpu: 0}]"), Contains("missing key 'nvlink' or 'pcie'"));
  CHECK_THAT(error("links: [{node: 1, gpu: 0, nvlink: 0.5, bandwidth: 0.5}]"), Contains("unknown key 'bandwidth'"));
  CHECK_THAT(error("links: [{node: 1, nic: 0, bandwidth: 0.5, pcie: 0.5}]"), Contains("unknown key 'pcie'"));
  CHECK_THAT(error("link: []"), Contains("did you mean 'links'?"));
  CHECK_THAT(error("[]"), Contains("must be a mapping"));
}

TEST_CASE("a cluster file may list stragglers, checked against the nodes it gets in the end") {
  const std::string slow = "stragglers: {gpus: [{gpu: 31, speed: 0.8}], jitter: 0.1, seed: 3}\n";
  CHECK(read_file(slow).stragglers.gpus == std::vector<SlowGpu>{{31, 0.8}});
  CHECK(read_file(slow, 8).stragglers.jitter == 0.1);
  CHECK_THAT(error_of([&] { read_file(slow, 3); }),
             Contains("c.yaml:6:27: stragglers.gpus[0].gpu is 31, outside 0 to 23"));
  CHECK_FALSE(read_file("").stragglers.any());
}

TEST_CASE("a second list adds to the first and its jitter and seed win") {
  Cluster cluster = read_file("stragglers: {gpus: [{gpu: 31, speed: 0.8}], jitter: 0.1, seed: 3}\n");
  add_stragglers(cluster, read_yaml_text("{gpus: [{gpu: 2, speed: 0.7}], seed: 9}", "s.yaml"));
  CHECK(cluster.stragglers.gpus == std::vector<SlowGpu>{{31, 0.8}, {2, 0.7}});
  CHECK(cluster.stragglers.jitter == 0.1);
  CHECK(cluster.stragglers.seed == 9);
  CHECK_THAT(error_of([&] { add_stragglers(cluster, read_yaml_text("gpus: [{gpu: 31, speed: 1}]", "s.yaml")); }),
             Contains("GPU 31 is listed twice"));
}

TEST_CASE("fewer nodes than a straggler needs are refused") {
  const Cluster slow = read_file("stragglers: {gpus: [{gpu: 15, speed: 0.8}]}\n");  // node 1
  CHECK(with_nodes(slow, 2, {"s.yaml", 3, 1}).nodes == 2);
  CHECK_THAT(error_of([&] {
               with_nodes(slow, 1, {"s.yaml", 3, 1});
             }),
             Contains("s.yaml:3:1: stragglers name node 1, but there are 1 nodes"));
  const Cluster cut = read_file("stragglers: {links: [{node: 3, nic: 0, bandwidth: 0.8}]}\n");
  CHECK_THAT(error_of([&] { with_nodes(cut, 3, {"s.yaml", 3, 1}); }), Contains("stragglers name node 3"));
}

TEST_CASE("stragglers can be set from outside the document") {
  const YamlValue document =
      with_override(read_yaml_text(cluster_head, "c.yaml"), "stragglers.gpus", "[{gpu: 13, speed: 0.8}]");
  CHECK(read_cluster(document).stragglers.gpus == std::vector<SlowGpu>{{13, 0.8}});
}
