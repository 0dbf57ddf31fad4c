#include <catch2/catch.hpp>

#include "tests/sim/engine/footprint_words.hpp"

using namespace trainyard;

TEST_CASE("a tree sends half of S along each of two binary trees") {
  const Yard yard(preset("dgx-h100", 4));
  // Parents (NCCL's btree of 4): 1 → 2, 3 → 2, 2 → 0; mirrored: 2 → 1, 0 → 1, 1 → 3. Every edge carries S/2 up and
  // down: node 0 has 1 + 1 edges, node 1 has 1 + 3, node 2 has 3 + 1, node 3 has 1 + 1.
  const BytesByLink bytes = yard.run(Kind::all_reduce, "tree", every(8, 32));
  CHECK(bytes.at("NIC0 out") == Approx(1.0));
  CHECK(bytes.at("node 1 NIC0 out") == Approx(2.0));
  CHECK(bytes.at("node 2 NIC0 in") == Approx(2.0));
  CHECK(bytes.at("node 3 NIC0 in") == Approx(1.0));
  // A broadcast only comes down: node 0 sends to 2 in the first tree, node 1 to 2 and 0 in the second.
  const BytesByLink down = yard.run(Kind::broadcast, "tree", every(8, 32));
  CHECK(down.at("NIC0 out") == Approx(0.5));
  CHECK(down.at("node 1 NIC0 out") == Approx(1.0));
}

TEST_CASE("a tree of three nodes shifts its second tree by one") {
  const Yard yard(preset("dgx-h100", 3));
  // btree of 3: 1 → 2 → 0; shifted: 2 → 0 → 1. Every edge carries S/2 up and down.
  const BytesByLink bytes = yard.run(Kind::all_reduce, "tree", every(8, 24));
  CHECK(bytes.at("NIC0 out") == Approx(1.5));         // 2-0, 2-0, 0-1
  CHECK(bytes.at("node 1 NIC0 out") == Approx(1.0));  // 1-2, 0-1
  CHECK(bytes.at("node 2 NIC0 out") == Approx(1.5));  // 1-2, 2-0, 2-0
}

TEST_CASE("a tree over full nodes runs a chain inside each") {
  const Yard yard(preset("dgx-h100", 2));
  const BytesByLink bytes = yard.run(Kind::all_reduce, "tree", every(1, 16));
  CHECK(bytes.at("GPU4 NVLink out") == Approx(2.0 * 7 / 8));  // S up and S down 7 of 8 steps
  CHECK(bytes.at("NIC4 out") == Approx(1.0 / 8));             // between two nodes S once, over eight NICs
}

TEST_CASE("NVLink SHARP moves (1 + 1/k) S through a port, one way (k-1)/k where nothing is both reduced and spread") {
  const Yard yard(preset("dgx-h100", 2));
  CHECK(yard.run(Kind::all_reduce, "nvls", every(1, 8)).at("GPU0 NVLink in") == Approx(1.125));
  CHECK(yard.run(Kind::all_reduce, "nvls", {1, 2}).at("GPU2 NVLink out") == Approx(1.5));
  const BytesByLink gather = yard.run(Kind::all_gather, "nvls", every(1, 8));
  CHECK(gather.at("GPU3 NVLink out") == Approx(0.125));
  CHECK(gather.at("GPU3 NVLink in") == Approx(0.875));
  const BytesByLink scatter = yard.run(Kind::reduce_scatter, "nvls", every(1, 8));
  CHECK(scatter.at("GPU3 NVLink out") == Approx(0.875));
  CHECK(scatter.at("GPU3 NVLink in") == Approx(0.125));
}

TEST_CASE("between nodes a hierarchy leaves S/k to each rail") {
  const Yard yard(preset("dgx-h100", 4));
  const double rail = 2.0 * 3 / 4 / 8;
  const BytesByLink by_switch = yard.run(Kind::all_reduce, "nvls_tree", every(1, 32));
  CHECK(by_switch.at("GPU0 NVLink out") == Approx(1.125));
  CHECK(by_switch.at("NIC0 out") == Approx(rail));
  CHECK(yard.run(Kind::all_reduce, "nvls-tree", every(1, 32)) == by_switch);
  const BytesByLink by_ring = yard.run(Kind::all_reduce, "hierarchical", every(1, 32));
  CHECK(by_ring.at("GPU0 NVLink out") == Approx(1.75));
  CHECK(by_ring.at("NIC7 in") == Approx(rail));
  CHECK(yard.run(Kind::all_gather, "hierarchical", every(1, 32)).at("NIC7 in") == Approx(rail / 2));
}

TEST_CASE("reduction in the fabric takes S/k up and down each NIC, and once up each leaf") {
  const Yard yard(with_fabric("dgx-h100", 4, {FabricKind::rail_optimised, 2, 2.0, "infiniband"}));
  for (const char* algorithm : {"collnet-direct", "collnet_chain"}) {
    const BytesByLink bytes = yard.run(Kind::all_reduce, algorithm, every(1, 32));
    CHECK(bytes.at("GPU0 NVLink out") == Approx(1.75));
    CHECK(bytes.at("node 1 NIC2 out") == Approx(0.125));
    CHECK(bytes.at("node 1 NIC2 in") == Approx(0.125));
    CHECK(bytes.at("unit 0 leaf 2 up") == Approx(0.125));
    CHECK(bytes.at("unit 1 leaf 2 down") == Approx(0.125));
  }
  const BytesByLink nvls = yard.run(Kind::all_reduce, "nvls", every(1, 32));
  CHECK(nvls.at("GPU0 NVLink out") == Approx(1.125));
  CHECK(nvls.at("NIC0 out") == Approx(0.125));
}

TEST_CASE("aggregated trees pass n-1 blocks out of every member") {
  const Yard yard(with_fabric("dgx-h100", 4, {FabricKind::fat_tree, 2, 1.0, "roce"}));
  const BytesByLink bytes = yard.run(Kind::all_gather, "pat", every(8, 32));
  // Two blocks to the next member, one to the member two away.
  CHECK(bytes.at("NIC0 out") == Approx(0.75));
  CHECK(bytes.at("node 2 NIC0 in") == Approx(0.75));
  // Of nodes 0 and 1 both send their far block to the other unit, node 1 its two near ones as well.
  CHECK(bytes.at("unit 0 leaf 0 up") == Approx(1.0));
  CHECK(yard.run(Kind::reduce_scatter, "pat", every(8, 32)).at("unit 0 leaf 0 up") == Approx(1.0));
}
