#include "models/collective_curve.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "models/collective_cost.hpp"
#include "models/profile_yaml.hpp"
#include "sim/base/errors.hpp"

using namespace trainyard;

namespace {

const NetworkProfile no_network;

// Two regimes that meet at 1 MB: 10 us + 1 MB / 100 GB/s = 20 us = 15 us + 1 MB / 200 GB/s.
const std::vector<CollectiveRegime> two_regimes = {{0_B, 10_us, 100_GBps}, {1_MB, 15_us, 200_GBps}};

DeviceProfile measured_device(std::vector<CollectiveCurve> curves) {
  DeviceProfile d;
  d.reduction_efficiency = 0.8;
  d.all_to_all_efficiency = 0.7;
  d.collective_base = 10_us;
  d.collective_step = 2_us;
  d.all_to_all_peer = 1_us;
  d.nvlink_collectives = std::move(curves);
  return d;
}
CollectiveCurve gather(int ranks) { return {"all_gather", ranks, 400_GBps, two_regimes}; }

Tier nvlink(int ranks, BytesPerSecond bandwidth = 400_GBps) { return {ranks, LinkClass::nvlink, bandwidth, {}, false}; }

CollectiveCost cost(CollectiveKind kind, Bytes size, const std::vector<Tier>& tiers, const DeviceProfile& device) {
  return collective_cost(kind, size, tiers, device, no_network);
}
double gather_time(Bytes size, int ranks, const DeviceProfile& device) {
  return cost(CollectiveKind::all_gather, size, {nvlink(ranks)}, device).time.value;
}

}  // namespace

TEST_CASE("a collective takes its time from the curve of its size and ranks") {
  const DeviceProfile device = measured_device({gather(8)});
  CHECK(cost(CollectiveKind::all_gather, 4_MB, {nvlink(8)}, device).measured);
  CHECK(gather_time(500'000_B, 8, device) == Approx(15e-6));  // 10 + 5
  CHECK(gather_time(1_MB, 8, device) == Approx(20e-6));
  CHECK(gather_time(4_MB, 8, device) == Approx(35e-6));    // 15 + 20
  CHECK(gather_time(1_GB, 8, device) == Approx(5015e-6));  // beyond any border: 15 + 5000
  CHECK(gather_time(1_B, 8, device) == Approx(10e-6).epsilon(1e-5));
}

TEST_CASE("operations, links and groups without a curve keep their formulas") {
  const DeviceProfile device = measured_device({gather(8)});
  CHECK(cost(CollectiveKind::reduce_scatter, 4_MB, {nvlink(8)}, device).algorithm == "ring");
  CHECK(cost(CollectiveKind::send_receive, 4_MB, {nvlink(8)}, device).algorithm == "neighbour");
  const Tier pcie{8, LinkClass::phb, 50_GBps, {}, false};
  NetworkProfile network;
  network.pcie_efficiency = 0.8;
  CHECK(collective_cost(CollectiveKind::all_gather, 4_MB, {pcie}, device, network).algorithm == "ring");
  network.collective_efficiency = 0.9;
  const std::vector<Tier> nodes = {nvlink(8), {2, LinkClass::net, 50_GBps, {}, false}};
  CHECK(collective_cost(CollectiveKind::all_gather, 4_MB, nodes, device, network).algorithm == "ring");
  CHECK(cost(CollectiveKind::all_gather, 0_B, {nvlink(8)}, device).time.value == 0);
  CHECK(cost(CollectiveKind::all_gather, 4_MB, {nvlink(1)}, device).algorithm == "none");
}

TEST_CASE("a fused dispatcher is no NCCL all-to-all and keeps its formula") {
  DeviceProfile device = measured_device({{"all_to_all", 8, 400_GBps, two_regimes}});
  device.dispatch_efficiency = 0.7;
  CHECK(cost(CollectiveKind::all_to_all, 4_MB, {nvlink(8)}, device).measured);
  CHECK(collective_cost(CollectiveKind::all_to_all, 4_MB, {nvlink(8)}, device, no_network, 0_B).algorithm == "two-hop");
}

TEST_CASE("half of the links take twice as long for the bytes and as long to begin") {
  const DeviceProfile device = measured_device({gather(8)});
  // 4 MB over 200 GB/s is what 8 MB were over 400: 15 + 40
  CHECK(cost(CollectiveKind::all_gather, 4_MB, {nvlink(8, 200_GBps)}, device).time.value == Approx(55e-6));
  DeviceProfile unsaid = device;
  unsaid.nvlink_collectives[0].measured_at = {};
  CHECK(cost(CollectiveKind::all_gather, 4_MB, {nvlink(8, 200_GBps)}, unsaid).time.value == Approx(35e-6));
}

TEST_CASE("a larger group moves its share more and takes more steps") {
  // 72 ranks from 8: bytes (71/72) / (7/8) = 1.12698 x 4 MB; steps (10 + 71 x 1) / (10 + 7 x 1) = 4.7647 x 10 us.
  const DeviceProfile device = measured_device({gather(8)});
  const double expected = 15e-6 + 4e6 * (71.0 / 72) / (7.0 / 8) / 200e9 + 10e-6 * (81.0 / 17 - 1);
  CHECK(gather_time(4_MB, 72, device) == Approx(expected));
}

TEST_CASE("a smaller group than any measured moves less and takes fewer steps") {
  // 2 ranks from 8: bytes (1/2) / (7/8) = 4/7 of 4 MB; steps (10 + 1) / (10 + 7) of 10 us.
  const DeviceProfile device = measured_device({gather(8)});
  CHECK(gather_time(4_MB, 2, device) == Approx(15e-6 + 4e6 * 4 / 7 / 200e9 + 10e-6 * (11.0 / 17 - 1)));
}

TEST_CASE("between two measured groups the time lies between theirs in proportion of the bytes a rank moves") {
  const std::vector<CollectiveRegime> slower = {{0_B, 20_us, 80_GBps}};
  const DeviceProfile device = measured_device({gather(4), {"all_gather", 8, 400_GBps, slower}});
  // 6 ranks: (5/6 - 3/4) / (7/8 - 3/4) = 2/3 of the way from 35 us to 20 + 4 MB / 80 GB/s = 70 us
  CHECK(gather_time(4_MB, 6, device) == Approx(35e-6 + 35e-6 * 2 / 3));
  CHECK(gather_time(4_MB, 4, device) == Approx(35e-6));
  CHECK(gather_time(4_MB, 8, device) == Approx(70e-6));
}

TEST_CASE("an all-reduce curve with NVLink SHARP says nothing about links without it, two ranks apart") {
  DeviceProfile device = measured_device({{"all_reduce", 4, 400_GBps, two_regimes}});
  device.multicast_gain = 1.3;
  const Tier multicast{4, LinkClass::nvlink, 400_GBps, {}, true};
  CHECK(cost(CollectiveKind::all_reduce, 4_MB, {multicast}, device).time.value == Approx(35e-6));
  CHECK(cost(CollectiveKind::all_reduce, 4_MB, {nvlink(4)}, device).algorithm == "ring");
  CHECK(cost(CollectiveKind::all_reduce, 4_MB, {nvlink(2)}, device).measured);
  device.multicast_gain = 1;  // no GPU of this kind has it
  CHECK(cost(CollectiveKind::all_reduce, 4_MB, {nvlink(4)}, device).measured);
}

TEST_CASE("more bytes and more ranks are never faster with curves that are so themselves") {
  const std::vector<CollectiveRegime> slower = {{0_B, 12_us, 90_GBps}, {1_MB, 14_us, 110_GBps}};
  const DeviceProfile device = measured_device(
      {gather(4), {"all_gather", 2, 400_GBps, {{0_B, 5_us, 250_GBps}}}, {"all_gather", 8, 400_GBps, slower}});
  for (const int ranks : {2, 3, 4, 5, 6, 7, 8, 16, 72, 71}) {
    double previous = 0;
    for (double size = 512; size < 4e9; size *= 1.4) {
      const double time = gather_time(Bytes(size), ranks, device);
      CAPTURE(ranks, size);
      CHECK(time > previous);
      CHECK(gather_time(Bytes(size), ranks + 1, device) >= time);
      previous = time;
    }
  }
}

TEST_CASE("a curve that falls with size still gives a smaller group a positive time") {
  const DeviceProfile device =
      measured_device({{"all_gather", 8, 400_GBps, {{0_B, 100_us, 100_GBps}, {1_MB, 0_us, 1000_GBps}}}});
  CHECK(gather_time(2_MB, 2, device) > 0);
}

TEST_CASE("curves are read from a profile with what they were measured at") {
  const std::string path = (std::filesystem::temp_directory_path() / fmt::format("curves_{}.yaml", getpid())).string();
  const auto load = [&](const std::string& value) {
    std::ofstream(path)
        << "kind: device\nname: mine\ninherits: a100-sxm-80gb\nconstants:\n  nvlink_collectives: {value: " << value
        << ", source: test}\n";
    return load_device_profile(path);
  };
  const std::string curve = "{operation: all_gather, ranks: 8, measured_at: 300GB/s, regimes: [[0B, 9us, 20GB/s]]}";
  const std::vector<CollectiveCurve> expected = {{"all_gather", 8, 300_GBps, {{0_B, 9_us, 20_GBps}}}};
  CHECK(load("[" + curve + "]").nvlink_collectives == expected);
  CHECK_THROWS_AS(load("[" + curve + ", " + curve + "]"), InputError);
  CHECK_THROWS_AS(load("[{operation: all_gather, ranks: 8, measured_at: 0GB/s, regimes: [[0B, 9us, 20GB/s]]}]"),
                  InputError);
  CHECK_THROWS_AS(load("[{operation: all_gather, ranks: 1, regimes: [[0B, 9us, 20GB/s]]}]"), InputError);
  std::filesystem::remove(path);
}
