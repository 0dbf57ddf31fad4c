#include <catch2/catch.hpp>

#include <filesystem>

#include "sim/base/scenario_files.hpp"
#include "tests/topology/topology_words.hpp"

using namespace trainyard;

TEST_CASE("every preset loads, names its source and has its matrix") {
  const std::vector<std::string> names = scenario_names("clusters");
  CHECK(names.size() >= 16);
  for (const std::string& name : names) {
    INFO(name);
    const Cluster cluster = read_cluster_file(name);
    CHECK(cluster.name == name);
    CHECK(cluster.gpu_memory > 30_GiB);
    CHECK(cluster.nic_bandwidth.value > 0);
    CHECK(file_text(scenario_file("clusters", name)).find("# source:") != std::string::npos);
    const std::filesystem::path matrix =
        std::filesystem::path(TRAINYARD_SOURCE_DIR) / "scenarios/topologies" / (name + ".txt");
    CHECK(file_text(matrix).find("# source:") != std::string::npos);
  }
}

TEST_CASE("the routes of every preset's graph have the classes of its matrix") {
  for (const std::string& name : scenario_names("clusters")) {
    const Routes routes(read_cluster_file(name));
    const NodeTopology& node = routes.cluster().node;
    for (std::size_t a = 0; a < node.gpus.size(); ++a)
      for (std::size_t b = 0; b < node.gpus.size(); ++b) {
        if (a == b) continue;
        INFO(name << " GPU" << a << " GPU" << b);
        const Route route = routes.between(DeviceId(a), DeviceId(b));
        CHECK(route.link == node.relations[a][b].link);
        if (route.link == LinkClass::nvlink)
          CHECK(route.bandwidth == node.relations[a][b].nvlinks * routes.cluster().nvlink_bandwidth);
      }
  }
}

TEST_CASE("only presets that are odd in reality carry warnings") {
  for (const std::string& name : scenario_names("clusters")) {
    INFO(name);
    const bool odd = name == "dgx-1v" || name == "gb200-nvl72";
    CHECK(read_cluster_file(name).node.warnings.empty() == !odd);
  }
}

TEST_CASE("every GPU of the defaults table makes an inline cluster") {
  for (const char* gpu : {"v100-sxm2-32gb", "a100-sxm-40gb", "a100-sxm-80gb", "a100-pcie-80gb", "h100-sxm-80gb",
                          "h200-sxm-141gb", "b200-sxm-180gb", "gb200-186gb", "l40s-48gb"}) {
    const Cluster c =
        read_cluster(read_yaml_text(fmt::format("{{node: {{topology: l40s-pcie-8gpu, gpu: {}}}}}", gpu), "inline"));
    CHECK(c.gpus_per_node() == 8);
    CHECK(c.pcie_bandwidth.value > 1e10);
  }
}
