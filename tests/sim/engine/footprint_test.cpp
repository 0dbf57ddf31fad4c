#include <catch2/catch.hpp>

#include "tests/sim/engine/footprint_words.hpp"
#include "topology/nvidia_smi_topo.hpp"

using namespace trainyard;

TEST_CASE("a ring inside an NVSwitch node puts 2(n-1)/n S on every port") {
  const Yard yard(preset("dgx-h100", 1));
  const BytesByLink bytes = yard.run(Kind::all_reduce, "ring", every(1, 8));
  CHECK(bytes.size() == 16);
  for (const auto& [link, amount] : bytes) CHECK(amount == Approx(1.75));  // 2 × 7 / 8
  CHECK(yard.run(Kind::all_gather, "ring", {2, 5}).at("GPU5 NVLink in") == Approx(0.5));
  CHECK(yard.run(Kind::reduce_scatter, "measured", {2, 5}) == yard.run(Kind::reduce_scatter, "ring", {2, 5}));
}

TEST_CASE("a ring over two nodes of eight leaves each by eight NICs") {
  const Yard yard(preset("dgx-h100", 2));
  const BytesByLink bytes = yard.run(Kind::all_reduce, "ring", every(1, 16));
  // 2 × 15 / 16 = 1.875 S pass every port: 7 of 8 channels go on to the next GPU, the eighth to the GPU beside the NIC
  // of the rail on which the next node is entered. Each NIC and its PCIe way carries an eighth.
  CHECK(bytes.at("GPU0 NVLink out") == Approx(1.875));
  CHECK(bytes.at("node 1 GPU5 NVLink in") == Approx(1.875));
  CHECK(bytes.at("NIC3 out") == Approx(1.875 / 8));
  CHECK(bytes.at("node 1 NIC3 in") == Approx(1.875 / 8));
  CHECK(bytes.at("GPU3 to PCIe switch 3") == Approx(1.875 / 8));
  CHECK(bytes.at("PCIe switch 3 to GPU3") == Approx(1.875 / 8));
  // Per node 8 ports, 8 NICs and twice 8 PCIe links, each in two directions.
  CHECK(bytes.size() == 2 * 2 * (8 + 8 + 16));
}

TEST_CASE("one member per node puts everything on its own rail") {
  const Yard yard(preset("dgx-h100", 4));
  const BytesByLink bytes = yard.run(Kind::all_reduce, "ring", {5, 13, 21, 29});
  CHECK(bytes.at("NIC5 out") == Approx(1.5));  // 2 × 3 / 4
  CHECK(bytes.at("node 3 NIC5 in") == Approx(1.5));
  CHECK(bytes.at("GPU5 to PCIe switch 5") == Approx(1.5));
  CHECK(bytes.size() == 4 * 6);
}

TEST_CASE("rings on the DGX-1 mesh share its links by their width") {
  const Yard yard(preset("dgx-1v", 1));
  const BytesByLink bytes = yard.run(Kind::all_reduce, "ring", every(1, 8));
  // Three rings both ways use all 6 links of a GPU for 1.75 S.
  CHECK(bytes.at("GPU0 NVLink to GPU3") == Approx(1.75 * 2 / 6));
  CHECK(bytes.at("GPU3 NVLink to GPU0") == Approx(1.75 * 2 / 6));
  CHECK(bytes.at("GPU0 NVLink to GPU1") == Approx(1.75 / 6));
  CHECK(bytes.size() == 8 * 4);  // four neighbours each
  // Where no ring closes over NVLink, the last step goes over PCIe: 0-1, 1-5, and 5-0 across the sockets.
  const BytesByLink open = yard.run(Kind::all_reduce, "ring", {0, 1, 5});
  CHECK(open.at("GPU1 NVLink to GPU5") == Approx(4.0 / 3));
  CHECK(open.at("NUMA node 1 to NUMA interconnect 0") == Approx(4.0 / 3));
  CHECK(open.count("NUMA node 0 to NUMA interconnect 0") == 0);
}

TEST_CASE("a ring in a PCIe box crosses the sockets once in each direction") {
  const Yard yard(preset("l40s-pcie-8gpu", 1));
  const BytesByLink bytes = yard.run(Kind::all_reduce, "ring", every(1, 8));
  CHECK(bytes.at("NUMA node 0 to NUMA interconnect 0") == Approx(1.75));  // 3 to 4
  CHECK(bytes.at("NUMA node 1 to NUMA interconnect 0") == Approx(1.75));  // 7 to 0
  CHECK(bytes.at("GPU6 to NUMA node 1") == Approx(1.75));
  CHECK(yard.run(Kind::all_reduce, "ring", {0, 1, 2, 3}).count("NUMA node 0 to NUMA interconnect 0") == 0);
}

TEST_CASE("GPUs of one host bridge meet there") {
  Cluster box;
  box.node = read_nvidia_smi_topo(
      "        GPU0    GPU1    GPU2    GPU3    CPU Affinity    NUMA Affinity\n"
      "GPU0     X      PHB     SYS     SYS     0-7     0\n"
      "GPU1    PHB      X      SYS     SYS     0-7     0\n"
      "GPU2    SYS     SYS      X      PHB     8-15    1\n"
      "GPU3    SYS     SYS     PHB      X      8-15    1\n",
      "topo.txt");
  box.pcie_bandwidth = 31.5_GBps;
  box.socket_bandwidth = 22.0_GBps;
  const Yard yard(box);
  const BytesByLink bridge = yard.run(Kind::all_gather, "ring", {0, 1});
  CHECK(bridge == BytesByLink{{"GPU0 to host bridge 0", 0.5},
                              {"host bridge 0 to GPU1", 0.5},
                              {"GPU1 to host bridge 0", 0.5},
                              {"host bridge 0 to GPU0", 0.5}});
  CHECK(yard.run(Kind::all_gather, "ring", {0, 2}).at("NUMA node 0 to NUMA interconnect 0") == Approx(0.5));
}

TEST_CASE("four GPUs that share a NIC send a node's half over it") {
  const Yard yard(preset("l40s-pcie-8gpu", 2));
  const BytesByLink bytes = yard.run(Kind::all_reduce, "ring", every(1, 16));
  // One channel leaves by the last GPU of each NIC (3 and 7) and enters behind it (4 and 0): each crosses the sockets
  // with the half that does not leave there.
  CHECK(bytes.at("NIC0 out") == Approx(1.875 / 2));
  CHECK(bytes.at("NIC1 in") == Approx(1.875 / 2));
  CHECK(bytes.at("NUMA node 0 to NUMA interconnect 0") == Approx(1.875 / 2));
  // Four pairs at once would each put S on the NIC that they share; this is one of them.
  CHECK(yard.run(Kind::all_reduce, "ring", {1, 9}).at("NIC0 out") == Approx(1.0));
}

TEST_CASE("GPUs with several NICs stripe over them") {
  const Yard a100(preset("dgx-a100-80gb", 2));
  CHECK(a100.run(Kind::all_reduce, "ring", {0, 8}).at("NIC1 out") == Approx(0.5));  // 2 × 1 / 2 over two NICs
  // Three members use four NICs: a quarter of 2 × 5 / 6 each.
  CHECK(a100.run(Kind::all_reduce, "ring", {0, 1, 2, 8, 9, 10}).at("NIC0 out") == Approx(5.0 / 3 / 4));
  CHECK(a100.run(Kind::all_reduce, "ring", {0, 1, 2, 8, 9, 10}).at("NIC3 out") == Approx(5.0 / 3 / 4));
  const Yard p5(preset("aws-p5", 2));
  CHECK(p5.run(Kind::all_reduce, "ring", every(1, 16)).at("NIC31 in") == Approx(1.875 / 32));
}

TEST_CASE("a ring crosses the spine once per unit and direction") {
  const Yard tree(with_fabric("dgx-h100", 4, {FabricKind::fat_tree, 2, 4.0, "roce"}));
  const BytesByLink bytes = tree.run(Kind::all_reduce, "ring", every(8, 32));
  CHECK(bytes.at("unit 0 leaf 0 up") == Approx(1.5));  // node 1 to node 2
  CHECK(bytes.at("unit 1 leaf 0 up") == Approx(1.5));  // node 3 to node 0
  CHECK(bytes.at("unit 0 leaf 0 down") == Approx(1.5));
  const Yard rails(with_fabric("dgx-h100", 4, {FabricKind::rail_optimised, 2, 2.0, "infiniband"}));
  CHECK(rails.run(Kind::all_reduce, "ring", every(1, 32)).at("unit 0 leaf 6 up") == Approx(2.0 * 31 / 32 / 8));
  CHECK(rails.run(Kind::all_reduce, "ring", every(1, 16)).count("unit 0 leaf 6 up") == 0);
}

TEST_CASE("racks of an NVLink domain are left by all NICs of their trays") {
  const Yard yard(preset("gb200-nvl72", 36));
  const BytesByLink inside = yard.run(Kind::all_reduce, "nvls", every(1, 72));
  CHECK(inside.size() == 144);
  CHECK(inside.at("node 17 GPU3 NVLink out") == Approx(1.0 + 1.0 / 72));
  const double factor = 2.0 * 143 / 144;
  const BytesByLink both = yard.run(Kind::all_reduce, "ring", every(1, 144));
  CHECK(both.at("node 17 NIC3 out") == Approx(factor / 72));
  CHECK(both.at("node 35 NIC0 in") == Approx(factor / 72));
}
