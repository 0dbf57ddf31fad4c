#include "topology/describe.hpp"

#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "tests/topology/topology_words.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {
TopologyDescription small() {
  return describe(
      read_nvidia_smi_topo("GPU0 GPU1 GPU2 NIC0 CPU Affinity NUMA Affinity\n"
                           "GPU0 X NV4 SYS PIX 0-7 0\nGPU1 NV4 X SYS NODE 0-7 0\nGPU2 SYS SYS X SYS 8-15 1\n"
                           "NIC0 PIX NODE SYS X\n\nNIC Legend:\n  NIC0: mlx5_0\n",
                           "topo.txt"),
      "topo.txt");
}
}  // namespace

TEST_CASE("the JSON holds the interface's keys in the file's device order") {
  const nlohmann::json j = nlohmann::json::parse(topology_json(small()));
  CHECK(j["gpus"] == nlohmann::json({"GPU0", "GPU1", "GPU2"}));
  CHECK(j["nics"] == nlohmann::json({"NIC0"}));
  CHECK(j["matrix"][0] == nlohmann::json({"X", "NV4", "SYS", "PIX"}));
  CHECK(j["matrix"][3] == nlohmann::json({"PIX", "NODE", "SYS", "X"}));
  CHECK(j["links"].size() == 6);
  CHECK(j["links"][0] == nlohmann::json({{"a", "GPU0"}, {"b", "GPU1"}, {"class", "NVLink"}, {"nvlinks", 4}}));
  CHECK(j["cpu_affinity"] == nlohmann::json({"0-7", "0-7", "8-15"}));
  CHECK(j["numa_affinity"] == nlohmann::json({"0", "0", "1"}));
  CHECK(j["islands"] == nlohmann::json::parse(R"([["GPU0","GPU1"],["GPU2"]])"));
  CHECK(j["nearest_nics"] == nlohmann::json::parse(R"([["NIC0"],["NIC0"],[]])"));
  CHECK(j["warnings"].size() == 3);
}

TEST_CASE("the text says what a person looks for") {
  const std::string text = topology_text(small());
  CHECK_THAT(text, Contains("topo.txt: 3 GPUs, 1 NIC\n"));
  CHECK_THAT(text, Contains("GPU0  X     NV4   SYS   PIX\n"));
  CHECK_THAT(text, Contains("  GPU0, GPU1: NV4 on every pair, point to point\n  GPU2: no NVLink\n"));
  CHECK_THAT(text, Contains("  GPU1: NIC0 (mlx5_0), NODE\n  GPU2: none, all are SYS\n"));
  CHECK_THAT(text, Contains("Best GPU pair:  GPU0-GPU1 NV4\nWorst GPU pair: GPU0-GPU2 SYS\n"));
  CHECK_THAT(text, Contains("GPU2 has no NVLink"));
}

TEST_CASE("a cluster adds its fabric") {
  const std::string text = topology_text(describe(read_cluster_file("dgx-h100", 4)));
  CHECK_THAT(text, Contains("Cluster: 4 nodes of 8 h100-sxm-80gb"));
  CHECK_THAT(text, Contains("Fabric: rail-optimised, 32 nodes per leaf, oversubscription 1:1, network infiniband"));
  CHECK_THAT(text, Contains("To other nodes: 50.00 GB/s per GPU when all send at once"));
  const nlohmann::json j = nlohmann::json::parse(topology_json(describe(read_cluster_file("dgx-h100", 4))));
  CHECK(j["cluster"]["world_size"] == 32);
}

TEST_CASE("drawings name every device and escape what the file calls them") {
  TopologyDescription d = small();
  d.name = "a<b>&\"c\".txt";
  const std::string svg = topology_svg(d);
  CHECK_THAT(svg, Catch::StartsWith("<svg xmlns=") && Catch::EndsWith("</svg>\n"));
  for (const char* part : {"GPU0", "GPU2", "NIC0", "mlx5_0", "NV4", "NUMA node 0", "a&lt;b&gt;&amp;&quot;c&quot;.txt"})
    CHECK_THAT(svg, Contains(part));
  const std::string dot = topology_dot(d);
  CHECK_THAT(dot, Catch::StartsWith("graph \"a<b>&\\\"c\\\".txt\" {") && Catch::EndsWith("}\n"));
  CHECK_THAT(dot, Contains("v0 -- v1 [label=\"NV4\""));
  CHECK_THAT(topology_dot(describe(read_cluster_file("dgx-h100"))), Contains("NVSwitch 0"));
}

TEST_CASE("a node of one GPU has no best pair") {
  const TopologyDescription d = describe(read_nvidia_smi_topo("GPU0 NIC0\nGPU0 X PHB\nNIC0 PHB X\n", "one"), "one");
  CHECK_FALSE(d.best_gpu_pair);
  CHECK(nlohmann::json::parse(topology_json(d))["best_gpu_pair"].is_null());
  CHECK_THAT(topology_svg(d), Contains("GPU0"));
}
