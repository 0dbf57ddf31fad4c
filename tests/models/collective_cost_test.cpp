#include "models/collective_cost.hpp"

#include <catch2/catch.hpp>

#include "models/profile_yaml.hpp"

using namespace trainyard;

namespace {

const Tier h100_node{8, LinkClass::nvlink, 450_GBps, Seconds(0), true};
const Tier h100_ring_only{8, LinkClass::nvlink, 450_GBps, Seconds(0), false};

DeviceProfile ideal_device() {
  DeviceProfile d;
  d.reduction_efficiency = d.all_to_all_efficiency = 1;
  return d;
}
NetworkProfile ideal_network() {
  NetworkProfile n;
  n.collective_efficiency = n.p2p_efficiency = n.pcie_efficiency = 1;
  return n;
}

}  // namespace

TEST_CASE("a ring all-reduce of 1 GiB on 8 ranks sends 1.75 GiB per rank, half of it per pass") {
  CHECK(in_gib(ring_bytes_sent(CollectiveKind::all_reduce, 1_GiB, 8)) == 1.75);  // 2 x 7/8
  CHECK(in_gib(ring_bytes_sent(CollectiveKind::all_gather, 1_GiB, 8)) == 0.875);
  CHECK(in_gib(ring_bytes_sent(CollectiveKind::reduce_scatter, 1_GiB, 8)) == 0.875);
}

TEST_CASE("bus bandwidth is nccl-tests'") {
  // 64 MiB in 322 µs on 8 H100: 1.75 x 67.1 MB / 322 µs
  CHECK((bus_factor(CollectiveKind::all_reduce, 8) * 64_MiB / Seconds(322e-6)).value == Approx(364.7e9).epsilon(1e-3));
  // 1 GiB in 8193 µs on 8 A100
  CHECK((bus_factor(CollectiveKind::all_reduce, 8) * 1_GiB / Seconds(8193e-6)).value == Approx(229.3e9).epsilon(1e-3));
}

TEST_CASE("distributed-optimizer traffic of Llama-3-8B over 8 ranks") {
  // Reduce-scatter of fp32 gradients and all-gather of bf16 parameters, 7/8 of 8 030 261 248 x 4 and x 2 bytes.
  CHECK(ring_bytes_sent(CollectiveKind::reduce_scatter, Bytes(4 * 8030261248.0), 8).value ==
        Approx(28.11e9).epsilon(1e-3));
  CHECK(ring_bytes_sent(CollectiveKind::all_gather, Bytes(2 * 8030261248.0), 8).value == Approx(14.05e9).epsilon(1e-3));
}

TEST_CASE("fully sharded parameters move 1.5 times the bytes of DDP") {
  const Bytes weights = 1_GB;
  const Bytes ddp = ring_bytes_sent(CollectiveKind::all_reduce, weights, 64);
  const Bytes sharded = 2 * ring_bytes_sent(CollectiveKind::all_gather, weights, 64) +
                        ring_bytes_sent(CollectiveKind::reduce_scatter, weights, 64);
  CHECK(sharded / ddp == Approx(1.5));
}

TEST_CASE("an all-reduce of 1 GB over 4 nodes of 8 takes 5.76 ms by ring") {
  const std::vector<Tier> tiers = {{8, LinkClass::nvlink, 360_GBps}, {4, LinkClass::net, 45_GBps}};
  // B = min(360, 8 x 45) = 360, 2 x 31/32 x 1 GB / 360 GB/s = 5.382 ms; 8.4 us and 62 - 8 hops of 3.4 us inside, 1.9
  // times that for a GPU of no known generation: 365 us. Steps over this network take no time.
  const CollectiveCost cost = collective_cost(CollectiveKind::all_reduce, 1_GB, tiers, ideal_device(), ideal_network());
  CHECK(cost.algorithm == "ring");
  CHECK(cost.protocol == "Simple");
  CHECK(cost.time.value == Approx(5.7468e-3).epsilon(1e-4));
  CHECK(cost.latency.value == Approx(364.8e-6).epsilon(2e-3));
}

TEST_CASE("an 8 MiB all-reduce on 8 H100 takes 87 us by ring, and 71 us as measured with NVLink SHARP") {
  // LL128: 1.04 x (14 + 14 x 1.9) µs + 1.75 x 8.39 MB / (0.92 x 360 GB/s) = 42.2 + 44.3 µs
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  const NetworkProfile network = load_network_profile("single-node");
  CHECK(collective_cost(CollectiveKind::all_reduce, 8_MiB, {h100_ring_only}, h100, network).time.value ==
        Approx(86.5e-6).epsilon(1e-3));
  CHECK(collective_cost(CollectiveKind::all_reduce, 8_MiB, {h100_node}, h100, network).time.value ==
        Approx(71e-6).epsilon(0.08));
}

TEST_CASE("NVLink SHARP wins large all-reduces and does nothing for all-gathers") {
  DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  h100.nvlink_collectives.clear();  // the formulas, not what was measured
  const NetworkProfile network = load_network_profile("single-node");
  const CollectiveCost big = collective_cost(CollectiveKind::all_reduce, 1_GiB, {h100_node}, h100, network);
  CHECK(big.algorithm == "nvls");
  // nccl-tests on 8 H100: 458 to 483 GB/s at 1 GiB and more.
  CHECK((bus_factor(CollectiveKind::all_reduce, 8) * 1_GiB / big.time).value == Approx(470e9).epsilon(0.03));
  CHECK(collective_cost(CollectiveKind::all_gather, 1_GiB, {h100_node}, h100, network).algorithm == "ring");
}

TEST_CASE("a ring over nodes is as fast as the rails its members share") {
  DeviceProfile d = ideal_device();
  // One member per node: its own 50 GB/s rail. Two: 100 GB/s. 7/8 x 1 GB over it, 8.4 us to begin, 7 - 4 hops of
  // 3.4 us inside the nodes.
  CHECK(collective_cost(CollectiveKind::all_gather, 1_GB, {{8, LinkClass::net, 50_GBps}}, d, ideal_network())
            .time.value == Approx(0.875 / 50.0 + 8.4e-6));
  const std::vector<Tier> two = {{2, LinkClass::nvlink, 450_GBps}, {4, LinkClass::net, 50_GBps}};
  CHECK(collective_cost(CollectiveKind::all_gather, 1_GB, two, d, ideal_network()).time.value ==
        Approx(0.875 / 100.0 + 18.6e-6));
  CHECK(collective_cost(CollectiveKind::all_gather, 1_GB, two, d, ideal_network()).slowest_link == LinkClass::net);
}

TEST_CASE("a group of one costs nothing, as do zero bytes") {
  CHECK(collective_cost(CollectiveKind::all_reduce, 1_GB, {}, ideal_device(), ideal_network()).time.value == 0);
  CHECK(
      collective_cost(CollectiveKind::all_reduce, Bytes(0), {h100_node}, ideal_device(), ideal_network()).time.value ==
      0);
}

TEST_CASE("more bandwidth is never slower, more bytes never faster") {
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  const NetworkProfile ib = load_network_profile("infiniband");
  for (CollectiveKind kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter,
                              CollectiveKind::all_to_all})
    for (double mb : {0.001, 1.0, 100.0, 4000.0}) {
      const std::vector<Tier> slow = {{4, LinkClass::nvlink, 450_GBps}, {8, LinkClass::net, 25_GBps}};
      std::vector<Tier> fast = slow;
      fast[1].bandwidth = 50_GBps;
      CHECK(collective_cost(kind, Bytes(mb * 1e6), fast, h100, ib).time <=
            collective_cost(kind, Bytes(mb * 1e6), slow, h100, ib).time);
      CHECK(collective_cost(kind, Bytes(mb * 1e6), slow, h100, ib).time <=
            collective_cost(kind, Bytes(mb * 2e6), slow, h100, ib).time);
    }
}

TEST_CASE("a pipeline send over a 400 Gb/s rail moves 45 GB/s after 11 us") {
  const Seconds t = send_time(Bytes(45e6), {{2, LinkClass::net, 50_GBps}}, load_device_profile("h100-sxm-80gb"),
                              load_network_profile("infiniband"));
  CHECK(t.value == Approx(11e-6 + 1e-3).epsilon(1e-6));
}

TEST_CASE("a thread that drives eight GPUs launches on one after the other") {
  CHECK(launch_time(CollectiveKind::all_reduce, 8, 1).value == 0);
  // 8 x 4.3 us, measured 34.7; 8 x (4.3 + 8 x 0.8), measured 86
  CHECK(launch_time(CollectiveKind::all_gather, 8, 8).value == Approx(34.4e-6));
  CHECK(launch_time(CollectiveKind::all_to_all, 8, 8).value == Approx(85.6e-6));
  CHECK(launch_time(CollectiveKind::send_receive, 8, 8).value == Approx(40.8e-6));
}

TEST_CASE("messages over nodes take longer as they grow, by 8 % of a send's latency per doubling and pass") {
  // A ring of two sends half of 32 KiB at once, four doublings of 1 KiB: 2 passes x 4 x 0.08 x 10 us = 6.4 us.
  DeviceProfile d = ideal_device();
  NetworkProfile n = ideal_network();
  n.step_latency = 14_us;
  const std::vector<Tier> tiers = {{2, LinkClass::net, 1e6 * 1_GBps}};
  const auto latency = [&](Bytes size) {
    return collective_cost(CollectiveKind::all_reduce, size, tiers, d, n).latency.value;
  };
  n.p2p_latency = Seconds(0);
  const double flat = latency(32_KiB);
  n.p2p_latency = 10_us;
  CHECK(latency(1_KiB) == Approx(flat));
  CHECK(latency(32_KiB) == Approx(flat + 6.4e-6));
}

TEST_CASE("a ring of sends goes at the pace of its slowest hop") {
  DeviceProfile d = ideal_device();
  const std::vector<Tier> tiers = {{4, LinkClass::nvlink, 450_GBps}, {2, LinkClass::net, 50_GBps}};
  const CollectiveCost cost = collective_cost(CollectiveKind::send_receive, 1_GB, tiers, d, ideal_network());
  CHECK(cost.time.value == Approx(1.0 / 50));
  CHECK(cost.slowest_link == LinkClass::net);
  CHECK(collective_cost(CollectiveKind::send_receive, 1_GB, {tiers.front()}, d, ideal_network()).time.value ==
        Approx(1.0 / 450));
}

TEST_CASE("two nodes of H100 all-reduce faster than their NICs, more nodes do not") {
  // nccl-tests at 16 GiB: 469 GB/s on 2 x 8 H100 over 400 GB/s of NICs, 366 on 4 x 8.
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  const NetworkProfile ib = load_network_profile("infiniband");
  const auto bus = [&](int nodes) {
    const CollectiveCost cost =
        collective_cost(CollectiveKind::all_reduce, 16_GiB, {h100_node, {nodes, LinkClass::net, 50_GBps}}, h100, ib);
    CHECK(cost.algorithm == "nvls-tree");
    return (bus_factor(CollectiveKind::all_reduce, 8 * nodes) * 16_GiB / cost.time).value / 1e9;
  };
  CHECK(bus(2) == Approx(469).epsilon(0.03));
  CHECK(bus(4) == Approx(366).epsilon(0.04));
  CHECK(bus(16) < bus(4));
}

TEST_CASE("a network without LL and LL128 waits for every message in protocol Simple") {
  NetworkProfile simple_only = load_network_profile("infiniband");
  simple_only.ll_protocol = simple_only.ll128_protocol = false;
  const std::vector<Tier> tiers = {h100_node, {2, LinkClass::net, 50_GBps}};
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  const CollectiveCost with =
      collective_cost(CollectiveKind::all_reduce, 1_KiB, tiers, h100, load_network_profile("infiniband"));
  const CollectiveCost without = collective_cost(CollectiveKind::all_reduce, 1_KiB, tiers, h100, simple_only);
  CHECK(with.protocol == "LL");
  CHECK(without.protocol == "Simple");
  // Tree: 1.04 x (8.4 + 14 x 4.0) + 2 x 14 = 95 us
  CHECK(without.latency.value == Approx(95.0e-6).epsilon(1e-3));
}

TEST_CASE("the time of every collective grows with its size without falling, over every kind of machine") {
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  for (const char* name : {"infiniband", "roce", "efa", "efa-v1", "tcpx", "ethernet"}) {
    const NetworkProfile network = load_network_profile(name);
    for (const CollectiveKind kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather,
                                      CollectiveKind::reduce_scatter, CollectiveKind::broadcast})
      for (const int nodes : {2, 3, 64}) {
        Seconds before{};
        for (double bytes = 1; bytes < 1e11; bytes *= 1.3) {
          const CollectiveCost cost =
              collective_cost(kind, Bytes(bytes), {h100_node, {nodes, LinkClass::net, 50_GBps}}, h100, network);
          CHECK(cost.time >= before);
          CHECK(cost.latency <= cost.time);
          CHECK(cost.channels >= 1);
          before = cost.time;
        }
      }
  }
}

TEST_CASE("a rack of NVLink SHARP keeps the time of a large all-reduce as it grows") {
  // nccl-tests on 72 GB200: 8 GiB in 20.30 ms, 1 GiB in 3.11 ms.
  const DeviceProfile gb200 = load_device_profile("gb200-186gb");
  const Tier rack{72, LinkClass::nvlink, 900_GBps, Seconds(0), true};
  const auto time = [&](Bytes size) {
    return collective_cost(CollectiveKind::all_reduce, size, {rack}, gb200, load_network_profile("single-node")).time;
  };
  CHECK(time(8_GiB).value == Approx(20.3e-3).epsilon(0.05));
  CHECK(time(1_GiB).value == Approx(3.11e-3).epsilon(0.08));
}
