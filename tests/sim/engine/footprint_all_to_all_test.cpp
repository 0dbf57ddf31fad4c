#include <catch2/catch.hpp>

#include "tests/sim/engine/footprint_words.hpp"

using namespace trainyard;

TEST_CASE("a pairwise all-to-all sends S/n to everyone") {
  const Yard yard(preset("dgx-h100", 2));
  const BytesByLink bytes = yard.run(Kind::all_to_all, "pairwise", every(1, 16));
  // 7/16 stay inside, 7/16 go over NVLink to the rails of their receivers; a NIC carries what 8 GPUs send to its rail.
  CHECK(bytes.at("GPU0 NVLink out") == Approx(14.0 / 16));
  CHECK(bytes.at("GPU0 NVLink in") == Approx(14.0 / 16));
  CHECK(bytes.at("NIC0 out") == Approx(8.0 / 16));
  CHECK(bytes.at("node 1 NIC6 in") == Approx(8.0 / 16));
  CHECK(yard.run(Kind::all_to_all, "none", every(1, 16)) == bytes);
  // Without rails bytes leave by the sender's NIC.
  const Yard one(with_fabric("dgx-h100", 2, {FabricKind::single_switch, 0, 1.0, "roce"}));
  CHECK(one.run(Kind::all_to_all, "pairwise", every(1, 16)).at("GPU0 NVLink out") == Approx(7.0 / 16));
}

TEST_CASE("what an all-to-all sends to other units climbs their leaves") {
  const Yard rails(with_fabric("dgx-h100", 4, {FabricKind::rail_optimised, 2, 2.0, "infiniband"}));
  // 16 senders of the unit have 2 receivers each on the rail in the other unit: 16 × 2 / 32.
  CHECK(rails.run(Kind::all_to_all, "pairwise", every(1, 32)).at("unit 0 leaf 3 up") == Approx(1.0));
  const Yard tree(with_fabric("dgx-h100", 4, {FabricKind::fat_tree, 2, 2.0, "roce"}));
  CHECK(tree.run(Kind::all_to_all, "pairwise", every(1, 32)).at("unit 1 leaf 0 down") == Approx(8.0));  // 16 × 16 / 32
  // Without NVLink other rails lie above the leaves: GPUs 0-3 of both nodes send S/16 to 4 GPUs of the other rail.
  const Yard box(with_fabric("l40s-pcie-8gpu", 2, {FabricKind::rail_optimised, 2, 2.0, "infiniband"}));
  const BytesByLink bytes = box.run(Kind::all_to_all, "pairwise", every(1, 16));
  CHECK(bytes.at("unit 0 leaf 0 up") == Approx(2.0 * 4 * 4 / 16));
  CHECK(bytes.at("unit 0 leaf 1 down") == Approx(2.0 * 4 * 4 / 16));
}

TEST_CASE("an all-to-all in a PCIe box crosses the sockets with half of its bytes") {
  const Yard yard(preset("l40s-pcie-8gpu", 1));
  const BytesByLink bytes = yard.run(Kind::all_to_all, "pairwise", every(1, 8));
  CHECK(bytes.at("NUMA node 0 to NUMA interconnect 0") == Approx(4 * 4 / 8.0));
  CHECK(bytes.at("GPU0 to NUMA node 0") == Approx(7.0 / 8));
}

TEST_CASE("an all-to-all by rails exchanges inside, then leaves by its own NIC") {
  const Yard yard(with_fabric("dgx-h100", 4, {FabricKind::rail_optimised, 2, 2.0, "infiniband"}));
  for (const char* algorithm : {"rail", "hierarchical"}) {
    const BytesByLink bytes = yard.run(Kind::all_to_all, algorithm, every(1, 32));
    CHECK(bytes.at("GPU0 NVLink out") == Approx(7.0 / 8));
    CHECK(bytes.at("NIC0 out") == Approx(3.0 / 4));
    CHECK(bytes.at("unit 0 leaf 0 up") == Approx(2 * 2.0 / 4));  // two nodes, half of S to the other unit
  }
}

TEST_CASE("two hops send a token to a node once") {
  const Yard yard(preset("dgx-h100", 4));
  const BytesByLink bytes = yard.run(Kind::all_to_all, "two-hop", every(1, 32), 0.25);
  CHECK(bytes.at("NIC0 out") == Approx(0.25));
  CHECK(bytes.at("node 3 NIC7 in") == Approx(0.25));
  CHECK(bytes.at("GPU0 NVLink out") == Approx(7.0 / 8));
  CHECK(yard.run(Kind::all_to_all, "two-hop", every(1, 32)) == yard.run(Kind::all_to_all, "rail", every(1, 32)));
  CHECK(yard.run(Kind::all_to_all, "two-hop", every(1, 32), 0.0).count("NIC0 out") == 0);
}

TEST_CASE("ring neighbours send S to the next") {
  const Yard yard(preset("dgx-h100", 2));
  const BytesByLink bytes = yard.run(Kind::send_receive, "neighbour", every(1, 16));
  CHECK(bytes.at("GPU3 NVLink out") == Approx(1.0));
  CHECK(bytes.at("NIC0 out") == Approx(1.0));  // GPU7's bytes, on the rail of GPU0 of the next node
  CHECK(bytes.count("NIC7 out") == 0);
  const BytesByLink pair = yard.run(Kind::send_receive, "neighbour", {3, 4});
  CHECK(pair.at("GPU3 NVLink out") == Approx(1.0));
  CHECK(pair.at("GPU3 NVLink in") == Approx(1.0));
}

TEST_CASE("a send loads its path") {
  const Yard yard(preset("dgx-a100-80gb", 2));
  const std::vector<LinkUse> uses = send_footprint(DeviceId(0), DeviceId(9), yard.links());
  CHECK(sum(yard, uses, SharedLinkKind::nic_out) == Approx(1.0));
  CHECK(uses.size() == 10);  // GPU to switch once, two NICs with their links; and the same way in
  CHECK(send_footprint(DeviceId(3), DeviceId(3), yard.links()).empty());
}
