// All-to-alls in a node, over nodes by direct messages and by rails, and those of fused dispatchers.
#include <catch2/catch.hpp>

#include "models/collective_cost.hpp"
#include "models/profile_yaml.hpp"

using namespace trainyard;

namespace {

DeviceProfile ideal_device() {
  DeviceProfile d;
  d.all_to_all_efficiency = 1;
  return d;
}
NetworkProfile ideal_network() {
  NetworkProfile n;
  n.all_to_all_efficiency = n.p2p_efficiency = n.pcie_efficiency = 1;
  return n;
}

}  // namespace

TEST_CASE("an all-to-all on one node is as fast as nccl-tests measured") {
  // 8 GPUs, bytes a rank sends: 128 MiB in 394 to 404 us and 512 MiB in 1469 to 1490 us on H100 (NCCL 2.23 to 2.29),
  // 512 MiB in 832 to 889 us on B200, in 2314 us on A100.
  const NetworkProfile network = load_network_profile("single-node");
  const auto time = [&](Bytes size, double nominal, const char* device) {
    const Tier node{8, LinkClass::nvlink, BytesPerSecond(nominal), Seconds(0), true};
    return collective_cost(CollectiveKind::all_to_all, size, {node}, load_device_profile(device), network).time.value;
  };
  CHECK(time(128_MiB, 450e9, "h100-sxm-80gb") == Approx(399e-6).epsilon(0.04));
  CHECK(time(512_MiB, 450e9, "h100-sxm-80gb") == Approx(1480e-6).epsilon(0.04));
  CHECK(time(512_MiB, 900e9, "b200-sxm-180gb") == Approx(860e-6).epsilon(0.04));
  CHECK(time(512_MiB, 300e9, "a100-sxm-80gb") == Approx(2314e-6).epsilon(0.04));
}

TEST_CASE("an all-to-all over nodes is paced by the tier its bytes need longest") {
  DeviceProfile d = ideal_device();
  NetworkProfile n = ideal_network();
  // 4 nodes of 8: 7/32 of 1 GB stay on NVLink (450 GB/s), 24/32 leave over a 50 GB/s NIC: 15 ms.
  const std::vector<Tier> nodes = {{8, LinkClass::nvlink, 450_GBps}, {4, LinkClass::net, 50_GBps}};
  const CollectiveCost cost = collective_cost(CollectiveKind::all_to_all, 1_GB, nodes, d, n);
  CHECK(cost.time.value == Approx(0.75 / 50));
  CHECK(cost.slowest_link == LinkClass::net);
  CHECK(cost.algorithm == "pairwise");
  // A spine at an eighth of the NICs carries the 16/32 that leave a leaf of two nodes: 80 ms.
  std::vector<Tier> leaves = nodes;
  leaves[1].ranks = 2;
  leaves.push_back({2, LinkClass::spine, 6.25_GBps});
  n.routing_efficiency = 1;
  CHECK(collective_cost(CollectiveKind::all_to_all, 1_GB, leaves, d, n).time.value == Approx(0.5 / 6.25));
}

TEST_CASE("every peer adds to the latency of an all-to-all") {
  DeviceProfile d = ideal_device();
  d.collective_base = 10_us;
  d.all_to_all_peer = 1_us;
  NetworkProfile n = ideal_network();
  n.p2p_latency = 5_us;
  n.all_to_all_peer = 2_us;
  // 10 + 7 peers in the node + 5 + 2 x 24 outside = 70 us where PCIe joins the node
  std::vector<Tier> tiers = {{8, LinkClass::node, 25_GBps}, {4, LinkClass::net, 50_GBps}};
  CHECK(collective_cost(CollectiveKind::all_to_all, 1_B, tiers, d, n).algorithm == "pairwise");
  CHECK(collective_cost(CollectiveKind::all_to_all, 1_B, tiers, d, n).time.value == Approx(70e-6).epsilon(1e-4));
  // Over NVLink the messages change rails first: a hop of 3 us, and 3 nodes are all that a NIC talks to: 31 us.
  tiers.front() = {8, LinkClass::nvlink, 450_GBps};
  d.collective_step = 3_us;
  CHECK(collective_cost(CollectiveKind::all_to_all, 1_B, tiers, d, n).algorithm == "rail");
  CHECK(collective_cost(CollectiveKind::all_to_all, 1_B, tiers, d, n).latency.value == Approx(31e-6));
}

TEST_CASE("an all-to-all keeps to direct messages where NVLink could not carry what changes rails") {
  DeviceProfile d = ideal_device();
  NetworkProfile n = ideal_network();
  n.all_to_all_peer = 1_us;
  // 1 GB over 2 nodes of 4. By rail 3/4 GB over NVLink of 60 GB/s, 12.5 ms; directly 3/8 GB over it and 1/2 GB over a
  // NIC of 50 GB/s: 10 ms and 4 peers.
  const std::vector<Tier> tiers = {{4, LinkClass::nvlink, 60_GBps}, {2, LinkClass::net, 50_GBps}};
  const CollectiveCost large = collective_cost(CollectiveKind::all_to_all, 1_GB, tiers, d, n);
  CHECK(large.algorithm == "pairwise");
  CHECK(large.time.value == Approx(10e-3 + 4e-6));
  // 1 kB: one peer and 12.5 ns against four and 10 ns.
  const CollectiveCost small = collective_cost(CollectiveKind::all_to_all, Bytes(1e3), tiers, d, n);
  CHECK(small.algorithm == "rail");
  CHECK(small.time.value == Approx(1.0125e-6));
}

TEST_CASE("DeepEP's published dispatch bandwidths are met within 8 %") {
  // H800 (200 GB/s NVLink, 50 GB/s NICs), 4096 tokens of 7168 x 2 bytes, 8 of 256 experts, of at most 4 nodes. DeepEP
  // divides the bytes delivered (one node: to ranks, several: to nodes, the own one included) by the time.
  struct Published {
    int nodes;
    double gigabytes_per_second;
  };
  const DeviceProfile h800 = load_device_profile("h100-sxm-80gb");
  const NetworkProfile network = load_network_profile("infiniband");
  for (const Published& p : {Published{1, 153}, {2, 43}, {4, 58}, {8, 51}}) {
    MixtureOfExperts moe;
    moe.experts = 256;
    moe.top_k = 8;
    if (p.nodes == 8) moe.routing_groups = 8;
    if (p.nodes == 8) moe.routing_top_groups = 4;
    const double copy = 2.0 * 4096 * 7168;
    const double to_ranks = copy * expected_destinations(moe, 8 * p.nodes);
    const double to_nodes = copy * expected_destinations(moe, p.nodes);
    std::vector<Tier> tiers = {{8, LinkClass::nvlink, 200_GBps}};
    if (p.nodes > 1) tiers.push_back({p.nodes, LinkClass::net, 50_GBps});
    const CollectiveCost cost = collective_cost(CollectiveKind::all_to_all, Bytes(to_ranks), tiers, h800, network,
                                                Bytes(to_nodes * (p.nodes - 1) / p.nodes));
    CHECK(cost.algorithm == "two-hop");
    CHECK((p.nodes == 1 ? to_ranks : to_nodes) / cost.time.value / 1e9 == Approx(p.gigabytes_per_second).epsilon(0.08));
  }
}
