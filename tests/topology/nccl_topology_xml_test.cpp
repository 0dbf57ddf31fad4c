#include "topology/nccl_topology_xml.hpp"

#include <catch2/catch.hpp>

#include <filesystem>

#include "tests/topology/topology_words.hpp"
#include "topology/topology_file.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {

const std::string dump = R"(<system version="1">
  <cpu numaid="0" affinity="00000000,0000ffff" arch="x86_64">
    <pci busid="ffff:ff:01.0" class="0x060400">
      <pci busid="0000:10:00.0" class="0x030200"><gpu dev="1" sm="90" rank="0"><nvlink target="0000:90:00.0" count="4" tclass="0x030200"/></gpu></pci>
      <pci busid="0000:11:00.0" class="0x020700"><nic><net name="mlx5_0" dev="0" speed="400000"/></nic></pci>
      <pci busid="ffff:ff:02.0" class="0x060400">
        <pci busid="0000:12:00.0" class="0x030200"><gpu dev="0" sm="90" rank="1"/></pci>
      </pci>
    </pci>
    <pci busid="0000:20:00.0" class="0x020700"><nic><net name="mlx5_1" dev="1" speed="200000"/></nic></pci>
  </cpu>
  <cpu numaid="1" affinity="00000000,00ff0000" arch="x86_64">
    <pci busid="0000:90:00.0" class="0x030200"><gpu dev="2" sm="90" rank="2"/></pci>
  </cpu>
</system>
)";

NcclTopology read(const std::string& text) { return read_nccl_topology_xml(text, "topo.xml"); }
std::string error(const std::string& text) {
  return error_of([&] { read(text); });
}
std::filesystem::path samples() {
  return std::filesystem::path(TRAINYARD_SOURCE_DIR).parent_path() / "shared/data/nccl_xml";
}

}  // namespace

TEST_CASE("relations follow the tree of a dump, GPUs their dev number") {
  const NcclTopology topology = read(dump);
  const NodeTopology& node = topology.node;
  CHECK(node.gpus == std::vector<std::string>{"GPU0", "GPU1", "GPU2"});
  CHECK(node.nic_names == std::vector<std::string>{"mlx5_0", "mlx5_1"});
  CHECK(cell(node, "GPU1", "NIC0") == "PIX");  // one bridge
  CHECK(cell(node, "GPU0", "NIC0") == "PXB");  // a second one
  CHECK(cell(node, "GPU0", "NIC1") == "PHB");  // the CPU
  CHECK(cell(node, "GPU0", "GPU2") == "SYS");
  CHECK(cell(node, "GPU1", "GPU2") == "NV4");  // stated on one side only
  CHECK(cell(node, "GPU2", "GPU1") == "NV4");
  CHECK(node.cpu_affinity == std::vector<std::string>{"0-15", "0-15", "16-23"});
  CHECK(node.numa_affinity == std::vector<std::string>{"0", "0", "1"});
  REQUIRE(topology.nic_bandwidth);
  CHECK(*topology.nic_bandwidth == 25.0_GBps);  // the slower NIC: 200 Gb/s
}

TEST_CASE("NVLinks to NVSwitches join every GPU with every other") {
  std::string gpus;
  for (int i = 0; i < 4; ++i)
    gpus += fmt::format(
        R"(<pci busid="0000:{0}0:00.0" class="0x030200"><gpu dev="{0}"><nvlink target="fffffff:ffff:ff" count="18" tclass="0x068000"/></gpu></pci>)",
        i);
  const NodeTopology node = read("<system><cpu numaid=\"0\">" + gpus + "</cpu></system>").node;
  CHECK(cell(node, "GPU0", "GPU3") == "NV18");
  CHECK(node.warnings.empty());
}

TEST_CASE("broken, foreign and empty XML is refused at its line") {
  CHECK_THAT(error("<system>\n<cpu>\n</system>\n"), Catch::StartsWith("topo.xml:3:") && Contains("not valid XML"));
  CHECK_THAT(error("<graphs version=\"1\"><graph/></graphs>"), Contains("result of NCCL's search"));
  CHECK_THAT(error("<topology/>"), Contains("the root element is <topology>"));
  CHECK_THAT(error("<system><cpu numaid=\"0\"/></system>"), Contains("no GPU"));
  CHECK_THAT(error("<system><cpu><pci class=\"0x030200\"><gpu dev=\"many\"/></pci></cpu></system>"),
             Contains("dev=\"many\" is no whole number"));
  CHECK_THAT(error("<system><cpu host_hash=\"0x1\"/><cpu host_hash=\"0x2\"/></system>"), Contains("several hosts"));
  std::string deep = "<system><cpu>";
  for (int i = 0; i < 100000; ++i) deep += "<pci class=\"0x060400\">";
  for (int i = 0; i < 100000; ++i) deep += "</pci>";
  CHECK_THAT(error(deep + "</cpu></system>"), Contains("nested too deep"));
}

TEST_CASE("cloud templates load without NVLink and say so, others are refused") {
  if (!std::filesystem::exists(samples())) {
    WARN("skipped: no samples in " << samples());
    return;
  }
  const TopologyFile p4d = read_topology_file((samples() / "aws-p4d-24xl-topo.xml").string());
  CHECK(p4d.node.gpus.size() == 8);
  CHECK(p4d.node.nics.size() == 4);
  CHECK(cell(p4d.node, "GPU1", "NIC0") == "PIX");
  CHECK(cell(p4d.node, "GPU0", "GPU2") == "PHB");
  REQUIRE(p4d.node.warnings.size() == 1);
  CHECK_THAT(p4d.node.warnings[0], Contains("NVLink is unknown"));
  const TopologyFile ndv4 = read_topology_file((samples() / "azure-ndv4-topo.xml").string());
  CHECK(ndv4.node.nics.size() == 8);
  CHECK(cell(ndv4.node, "GPU0", "GPU2") == "SYS");
  CHECK_THAT(error_of([] { read_topology_file((samples() / "aws-g5.48xl-topo.xml").string()); }),
             Contains("template of bus addresses"));
  CHECK_THAT(error_of([] { read_topology_file((samples() / "azure-ncv4-graph.xml").string()); }),
             Contains("graph XML"));
}

TEST_CASE("a template with its NVLinks stated is the real node") {
  if (!std::filesystem::exists(samples())) return;
  const std::string file = (samples() / "aws-p4d-24xl-topo.xml").string();
  const Cluster cluster = read_cluster(
      read_yaml_text("gpu: a100-sxm-40gb\nnode: {nccl_xml: " + file +
                         "}\nnvlink: {links: 12}\nnics: {bandwidth: 100Gbps}\nnodes: 2\nfabric: {network: efa-v1}\n",
                     "c.yaml"));
  CHECK(tiers(Routes(cluster), every(1, 16)) == "8 NVLink 300.0 GB/s, 2 NET 6.250 GB/s");
}
