#include "models/nccl_tuner.hpp"

#include <catch2/catch.hpp>

#include "models/profile_yaml.hpp"

using namespace trainyard;

namespace {

constexpr auto all_reduce = CollectiveKind::all_reduce;

Tier nvlink(int ranks, BytesPerSecond bandwidth, bool multicast) {
  return {ranks, LinkClass::nvlink, bandwidth, Seconds(0), multicast};
}
Tier net(int nodes, BytesPerSecond bandwidth) { return {nodes, LinkClass::net, bandwidth, Seconds(0), false}; }

struct Machine {
  NcclGroup group;
  NcclLinks links;
  Machine(const std::vector<Tier>& tiers, int compute_capability, bool sharp = false) {
    DeviceProfile device;
    device.compute_capability = compute_capability;
    NetworkProfile network;
    network.in_network_reduction = sharp;
    group = nccl_group(tiers, device, network);
    links = nccl_links(tiers, group.generation);
  }
  NcclRates rates(CollectiveKind kind = all_reduce) const { return nccl_rates(kind, group, links); }
  double microseconds(NcclAlgorithm algorithm, NcclProtocol protocol) const {
    return nccl_expected(all_reduce, Bytes(1), algorithm, protocol, group, rates(), {}).latency.value * 1e6;
  }
};

const Machine v100_mesh({nvlink(8, 150_GBps, false)}, 70);
const Machine a100_node({nvlink(8, 300_GBps, false)}, 80);
const Machine h100_node({nvlink(8, 450_GBps, true)}, 90);
const Machine h100_pair({nvlink(8, 450_GBps, true), net(2, 50_GBps)}, 90);
const Machine h100_four({nvlink(8, 450_GBps, true), net(4, 50_GBps)}, 90);
const Machine rack({nvlink(72, 900_GBps, true)}, 100);

}  // namespace

TEST_CASE("NCCL's search finds 12 channels of 30 GB/s on 8 H100, 12 of 20 on 8 A100 and 6 of 20 on a V100 mesh") {
  // 370.8 GB/s of NVLink hold 6 channels of 60, doubled; 240 hold 6 of 40, doubled; 120 hold 6 of 20, too slow to
  // double.
  const NcclGraph h100 = nccl_ring_graph(h100_node.group, h100_node.links);
  CHECK(h100.channels == 12);
  CHECK(h100.inside == 30);
  const NcclGraph a100 = nccl_ring_graph(a100_node.group, a100_node.links);
  CHECK(a100.channels == 12);
  CHECK(a100.inside == 20);
  CHECK(h100_node.rates().ring == 360);
  CHECK(a100_node.rates().ring == 240);
  CHECK(v100_mesh.rates().ring == Approx(120));
}

TEST_CASE("NVLink SHARP is expected at 476 GB/s on 8 H100 and 932 in a rack of 72 Blackwells") {
  CHECK(h100_node.rates().nvls == Approx(476));           // 8 x 40 x 0.85 x 7/8 x 2
  CHECK(rack.rates().nvls == Approx(932).epsilon(1e-3));  // 8 x 90 x 0.74 x 7/8 x 2
  CHECK(a100_node.rates().nvls == 0);
}

TEST_CASE("over nodes the expected bandwidths are 192 on 2 x 8 A100, 462 on 2 x 8 H100 and 364 on 4 x 8") {
  const Machine a100_pair({nvlink(8, 300_GBps, false), net(2, 25_GBps)}, 80);
  CHECK(a100_pair.rates().ring == Approx(192));         // 8 x 24
  CHECK(h100_pair.rates().nvls_tree == Approx(461.6));  // 8 x min(59.5, 2 x 48, 57.7)
  CHECK(h100_four.rates().nvls_tree == Approx(364));    // 8 x min(59.5, 48, 45.5)
  CHECK(a100_pair.rates().nvls_tree == 0);
  const Machine sharp({nvlink(8, 450_GBps, true), net(12, 50_GBps)}, 90, true);
  CHECK(sharp.rates().nvls == Approx(384));  // 8 x 48, measured 386.6
}

TEST_CASE("latencies of an all-reduce in a node are 15.0, 15.2, 25, 40.6 and 56 us") {
  CHECK(h100_node.microseconds(NcclAlgorithm::ring, NcclProtocol::ll) == Approx(15.0));  // 6.6 + 14 x 0.6
  CHECK(h100_node.microseconds(NcclAlgorithm::tree, NcclProtocol::ll) == Approx(15.2));  // 6.8 + 2 x 7 x 0.6
  CHECK(h100_node.microseconds(NcclAlgorithm::nvls, NcclProtocol::simple) == Approx(25.0));
  CHECK(h100_node.microseconds(NcclAlgorithm::ring, NcclProtocol::ll128) == Approx(40.6));   // 14 + 14 x 1.9
  CHECK(h100_node.microseconds(NcclAlgorithm::ring, NcclProtocol::simple) == Approx(56.0));  // 8.4 + 14 x 3.4
}

TEST_CASE("latencies over nodes are 40, 25.2, 66.8 and 35.2 us") {
  CHECK(h100_pair.microseconds(NcclAlgorithm::ring, NcclProtocol::ll) == Approx(40.0));  // 6.6 + 28 x 1.0 + 2 x 2.7
  CHECK(h100_pair.microseconds(NcclAlgorithm::tree, NcclProtocol::ll) == Approx(25.2));  // 6.8 + 2 (7 x 0.6 + 5.0)
  CHECK(h100_pair.microseconds(NcclAlgorithm::nvls_tree, NcclProtocol::simple) == Approx(66.8));  // 25 + 2 x 20.9
  CHECK(h100_four.microseconds(NcclAlgorithm::tree, NcclProtocol::ll) == Approx(35.2));  // 6.8 + 2 (4.2 + 2 x 5.0)
}

TEST_CASE("a large ring all-reduce over nodes waits 1.4 times as long from Ampere on, 1.9 times before") {
  const auto waits = [](const Machine& m) {
    return nccl_expected(all_reduce, 1_GB, NcclAlgorithm::ring, NcclProtocol::simple, m.group, m.rates(), {}).latency /
           nccl_expected(all_reduce, 1_B, NcclAlgorithm::ring, NcclProtocol::simple, m.group, m.rates(), {}).latency;
  };
  CHECK(waits(h100_pair) == Approx(1.4));
  CHECK(waits(Machine({nvlink(8, 150_GBps, false), net(2, 12_GBps)}, 70)) == Approx(1.9));
  CHECK(waits(h100_node) == Approx(1.0));
}

TEST_CASE(
    "the tuner picks LL for small messages, and NVLink SHARP in a node or with a tree over nodes for large ones") {
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  const NetworkProfile ib = load_network_profile("infiniband");
  const auto choice = [&](Bytes size, const std::vector<Tier>& tiers) {
    const NcclChoice c = nccl_tune(all_reduce, size, tiers, h100, ib);
    return std::string(name(c.algorithm)) + " " + std::string(name(c.protocol));
  };
  const std::vector<Tier> node = {nvlink(8, 450_GBps, true)};
  CHECK(choice(1_KiB, node) == "ring LL");
  CHECK(choice(1_GiB, node) == "nvls Simple");
  const std::vector<Tier> pair = {nvlink(8, 450_GBps, true), net(2, 50_GBps)};
  CHECK(choice(1_KiB, pair) == "tree LL");
  CHECK(choice(1_GiB, pair) == "nvls-tree Simple");
}

TEST_CASE("what an algorithm cannot do it is not chosen for") {
  const auto available = [](CollectiveKind kind, NcclAlgorithm a, NcclProtocol p, const Machine& m) {
    return nccl_expected(kind, 1_MB, a, p, m.group, m.rates(kind), {}).time.value < 1;
  };
  CHECK(!available(CollectiveKind::broadcast, NcclAlgorithm::tree, NcclProtocol::simple, h100_pair));
  CHECK(!available(CollectiveKind::all_gather, NcclAlgorithm::nvls_tree, NcclProtocol::simple, h100_pair));
  CHECK(!available(all_reduce, NcclAlgorithm::nvls, NcclProtocol::simple, h100_pair));  // no SHARP between the nodes
  CHECK(!available(all_reduce, NcclAlgorithm::nvls_tree, NcclProtocol::simple, h100_node));
  CHECK(!available(CollectiveKind::all_gather, NcclAlgorithm::pat, NcclProtocol::simple, h100_pair));
  CHECK(
      available(CollectiveKind::all_gather, NcclAlgorithm::pat, NcclProtocol::simple, Machine({net(8, 50_GBps)}, 90)));
  const Machine pcie({{8, LinkClass::node, 31.5_GBps, Seconds(0), false}}, 80);
  CHECK(!available(all_reduce, NcclAlgorithm::ring, NcclProtocol::ll128, pcie));
  CHECK(available(all_reduce, NcclAlgorithm::ring, NcclProtocol::ll, pcie));
  CHECK(pcie.rates().ring == Approx(24.0));  // 2 channels of 12 on PCIe 4 x16
}

TEST_CASE("NVLink pairs over PCIe ring at what PCIe gives both members") {
  // 2 x 24 GB/s: the channels of a pair leave over either GPU. 40 + 0 or 2 x 20, 2 x 24 is no ladder speed: 4 x 12.
  const Machine pairs({nvlink(2, 300_GBps, false), {4, LinkClass::sys, 31.5_GBps, Seconds(0), false}}, 80);
  CHECK(pairs.group.inside == NcclHop::pci);
  CHECK(pairs.group.per_node == 8);
  CHECK(pairs.rates().ring == Approx(48.0));
}

TEST_CASE("the tree's correction steps with powers of two, or follows them without a fall in time") {
  CHECK(nccl_tree_correction(NcclProtocol::ll, 64.0 * 4096, false) == 0.4);  // i = 12
  CHECK(nccl_tree_correction(NcclProtocol::simple, 1e9, false) == 1.0);
  double before = 0;
  for (double bytes = 1; bytes < 1e10; bytes *= 1.1)
    for (const NcclProtocol p : {NcclProtocol::ll}) {
      const double time = bytes / nccl_tree_correction(p, bytes, true);
      CHECK(time >= before);
      before = time;
    }
}

TEST_CASE("groups without bandwidth, GPUs or messages of nonsense give no time and do not crash") {
  for (const double bandwidth : {0.0, -1.0, 1e300})
    for (const int ranks : {1, 2, 100000}) {
      const Machine m({nvlink(ranks, BytesPerSecond(bandwidth), true), net(ranks, BytesPerSecond(bandwidth))}, 0);
      const NcclChoice c = fastest_nccl(all_reduce, Bytes(1e12), m.group, m.rates(), {});
      CHECK(c.time.value > 0);
    }
}
