// Simulated nccl-tests runs: sizes as the test steps and rounds them, times alone and beside others, and tables that
// are read back as if they had been measured.
#include "analysis/collective_table.hpp"

#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "analysis/calibration/nccl_log.hpp"
#include "models/profile_yaml.hpp"
#include "topology/cluster_yaml.hpp"
#include "topology/group_path.hpp"

namespace trainyard::testing {
namespace {

using Catch::Contains;

constexpr std::int64_t mebibyte = std::int64_t{1} << 20;

struct Machine {
  Cluster cluster;
  Profile profile;
  Machine(const std::string& name, int nodes) : cluster(read_cluster_file(name, nodes)) {
    profile = load_profile(cluster.gpu, cluster.fabric.network, "megatron-core");
  }
  CollectiveTable table(const CollectiveTest& test) const { return collective_table(test, Routes(cluster), profile); }
};

CollectiveTest test_of(CollectiveKind kind, int gpus_per_node, SizeRange sizes) {
  CollectiveTest test;
  test.kind = kind;
  test.gpus_per_node = gpus_per_node;
  test.arguments.sizes = sizes;
  return test;
}

std::vector<Tier> alone(std::vector<Tier> tiers) {
  for (Tier& tier : tiers)
    if (tier.alone.value > 0) tier.bandwidth = tier.alone;
  return tiers;
}

TEST_CASE("one communicator takes what the cost model says") {
  const Machine machine("dgx-h100", 2);
  const CollectiveTable table = machine.table(test_of(CollectiveKind::all_reduce, 8, {8, 1024 * mebibyte, 128, 1}));
  std::vector<DeviceId> devices;
  for (int d = 0; d < 16; ++d) devices.emplace_back(d);
  const std::vector<Tier> tiers = alone(group_path(Routes(machine.cluster), devices).tiers);
  REQUIRE(table.rows.size() == 4);
  for (const CollectiveRow& row : table.rows) {
    const Bytes bytes(static_cast<double>(row.size.bytes));
    const CollectiveCost cost =
        collective_cost(CollectiveKind::all_reduce, bytes, tiers, machine.profile.device, machine.profile.network);
    CHECK(row.time.value == cost.time.value);
    CHECK(row.alone.algorithm == cost.algorithm);
    CHECK(row.contended_links == 0);
  }
  CHECK(table.links.empty());
}

TEST_CASE("the first GPUs of every node run as a job on nothing else") {
  const Machine machine("dgx-h100", 2);
  const CollectiveTable table =
      machine.table(test_of(CollectiveKind::all_gather, 4, {64 * mebibyte, 64 * mebibyte, 2, 1}));
  const std::vector<DeviceId> devices = {DeviceId(0), DeviceId(1), DeviceId(2),  DeviceId(3),
                                         DeviceId(8), DeviceId(9), DeviceId(10), DeviceId(11)};
  const CollectiveCost cost =
      collective_cost(CollectiveKind::all_gather, 64_MiB, alone(group_path(Routes(machine.cluster), devices).tiers),
                      machine.profile.device, machine.profile.network);
  CHECK(table.group_size() == 8);
  CHECK(table.rows.front().time.value == cost.time.value);
}

TEST_CASE("a thread that launches for several GPUs makes small messages slow and large ones no slower") {
  const Machine machine("dgx-h100", 1);
  CollectiveTest test = test_of(CollectiveKind::all_reduce, 8, {8, 1024 * mebibyte, 128 * mebibyte, 1});
  const CollectiveTable processes = machine.table(test);
  test.arguments.gpus_of_thread = 8;
  const CollectiveTable thread = machine.table(test);
  CHECK(thread.rows.front().time.value == launch_time(CollectiveKind::all_reduce, 8, 8).value);
  CHECK(thread.rows.front().time > processes.rows.front().time);
  CHECK(thread.rows.back().time.value == processes.rows.back().time.value);
}

TEST_CASE("eight rings on eight rails cost each other nothing") {
  CollectiveTest test = test_of(CollectiveKind::all_reduce, 8, {mebibyte, 1024 * mebibyte, 1024, 1});
  test.groups = 8;
  for (const CollectiveRow& row : Machine("dgx-h100", 2).table(test).rows)
    CHECK(row.time.value == Approx(row.alone.time.value).epsilon(1e-9));
}

TEST_CASE("two rings on one NIC have half of it each") {
  const Machine machine("aws-p4d", 2);  // 8 GPUs, 4 NICs of 100 Gb/s
  CollectiveTest test = test_of(CollectiveKind::all_gather, 8, {1024 * mebibyte, 1024 * mebibyte, 2, 1});
  test.groups = 8;
  const CollectiveTable table = machine.table(test);
  const CollectiveRow& row = table.rows.front();
  // Each of two ranks sends S/2, and both rings leave by the NIC: S over what a NIC carries of 12.5 GB/s.
  const NetworkProfile& net = machine.profile.network;
  const double share = std::max({net.collective_efficiency, net.p2p_efficiency, net.all_to_all_efficiency});
  const double transfer = 1024.0 * mebibyte / (share * 12.5e9);
  CHECK(row.time.value == Approx(row.alone.latency.value + transfer).epsilon(1e-6));
  CHECK(row.contended_links > 0);
  REQUIRE_FALSE(table.links.empty());
  CHECK(table.links.front().communicators == 2);
}

TEST_CASE("a degraded NIC stretches what crosses it, and alone means without that") {
  Machine machine("dgx-h100", 2);
  machine.cluster.stragglers.links.push_back({DegradedPart::nic, 1, 0, 0.1});
  const CollectiveTable table =
      machine.table(test_of(CollectiveKind::all_reduce, 1, {256 * mebibyte, 256 * mebibyte, 2, 1}));
  const CollectiveRow& row = table.rows.front();
  // One GPU per node drives one NIC. At a tenth of its width it carries a tenth of what a collective gets of it, if
  // nothing gets more of a healthy one.
  const NetworkProfile& net = machine.profile.network;
  REQUIRE(net.collective_efficiency >= std::max(net.p2p_efficiency, net.all_to_all_efficiency));
  const double transfer = (row.alone.time - row.alone.latency).value;
  CHECK(row.time.value == Approx(row.alone.latency.value + 10 * transfer).epsilon(0.01));
  REQUIRE_FALSE(table.links.empty());
  CHECK(table.links.front().health == Approx(0.1));
}

TEST_CASE("consecutive communicators that fill nodes are those of one node") {
  const SizeRange sizes{mebibyte, 64 * mebibyte, 64, 1};
  CollectiveTest test = test_of(CollectiveKind::all_reduce, 8, sizes);
  const CollectiveTable one = Machine("dgx-h100", 1).table(test);
  test.groups = 2;
  test.order = GroupOrder::consecutive;
  const CollectiveTable two = Machine("dgx-h100", 2).table(test);
  REQUIRE(two.rows.size() == one.rows.size());
  for (std::size_t i = 0; i < one.rows.size(); ++i)
    CHECK(two.rows[i].time.value == Approx(one.rows[i].time.value).epsilon(1e-9));
  CHECK(two.group_of(7) == 0);
  CHECK(two.group_of(8) == 1);
}

TEST_CASE("rows that are rounded down to nothing take no time") {
  const CollectiveTable table = Machine("dgx-h100", 1).table(test_of(CollectiveKind::all_gather, 8, {8, 8, 2, 1}));
  CHECK(table.rows.front().size == MessageSize{0, 0});
  CHECK(table.rows.front().time.value == 0);
  CHECK(algorithm_bandwidth(table.rows.front()).value == 0);
}

CollectiveTable hand_built() {
  CollectiveTable table;
  table.test = test_of(CollectiveKind::all_reduce, 8, {1024 * mebibyte, 1024 * mebibyte, 2, 1});
  table.cluster = "two\nlines";
  table.nodes = 2;
  table.device = "a100-sxm-40gb";
  table.network = "roce";
  CollectiveRow row;
  row.size = {1073741824, 268435456};
  row.time = Seconds(10887.4e-6);
  row.alone.time = row.time;
  row.alone.algorithm = "ring";
  row.alone.protocol = "Simple";
  row.alone.channels = 8;
  table.rows.push_back(row);
  return table;
}

TEST_CASE("a row is what nccl-tests 2.17 printed for that time") {
  // Out-of-place columns of a run on 2 x 8 A100 (OCI): 10887.4 us are 98.62 GB/s, times 2 x 15/16 is 184.92.
  const std::string figures = "  10887.4   98.62  184.92       0";
  CHECK_THAT(collective_text(hand_built()),
             Contains("\n  1073741824     268435456     float     sum      -1" + figures + figures + "\n"));
}

TEST_CASE("times keep seven columns from microseconds to seconds") {
  CollectiveTable table = hand_built();
  for (const auto& [seconds, text] : {std::pair{38.67e-6, "    38.67 "},
                                      {1531.66e-6, "  1531.66 "},
                                      {99284.8e-6, "  99284.8 "},
                                      {0.199011, "   199011 "}}) {
    table.rows.front().time = Seconds(seconds);
    CHECK_THAT(collective_text(table), Contains(text));
  }
}

TEST_CASE("a cluster's name cannot leave its comment") {
  CHECK_THAT(collective_text(hand_built()), Contains("\n# cluster two?lines: 2 nodes"));
}

TEST_CASE("the text says how the sizes went, and how much communicators cost each other") {
  CollectiveTable table = hand_built();
  CHECK_THAT(collective_text(table), Contains("ring, Simple, 8 channels") && !Contains("slower"));
  table.test.groups = 8;
  CHECK_THAT(collective_text(table), Contains("do not slow each other down"));
  table.rows.front().time = 2.0 * table.rows.front().alone.time;
  table.links.push_back({"node 0 NIC0 out", LinkClass::net, 20_GBps, 10_GBps, 1.0, 2, ""});
  CHECK_THAT(collective_text(table),
             Contains("2.00 times as long at 1G") &&
                 Contains("node 0 NIC0 out (NET): 2 of 8 communicators want 20.0 of 10.0 GB/s"));
}

TEST_CASE("results that a test does not check are N/A in place") {
  CollectiveTable table = hand_built();
  table.test.kind = CollectiveKind::all_to_all;
  CHECK_THAT(collective_text(table), Contains("       0  10887.4") && Contains("     N/A\n"));
  table.test.arguments.check = false;
  CHECK_THAT(collective_text(table), Contains("     N/A  10887.4"));
}

TEST_CASE("every collective is read back with its ranks, nodes, sizes and times") {
  const Machine machine("dgx-h100", 2);
  for (const CollectiveKind kind :
       {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter,
        CollectiveKind::all_to_all, CollectiveKind::broadcast, CollectiveKind::send_receive}) {
    const CollectiveTable table = machine.table(test_of(kind, 8, {1024, 64 * mebibyte, 4, 1}));
    const Measurements read = read_nccl_log(collective_text(table), "simulated.txt", {});
    REQUIRE(read.collectives.size() == 2 * table.rows.size());  // out of place and in place
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
      const CollectiveSample& sample = read.collectives[i];
      CHECK(sample.kind == kind);
      CHECK(sample.ranks == 16);
      CHECK(sample.nodes == 2);
      CHECK(sample.size.value == static_cast<double>(table.rows[i].size.bytes));
      CHECK(sample.time.value == Approx(table.rows[i].time.value).margin(0.051e-6));  // the last digit printed
    }
  }
}

TEST_CASE("many ranks are elided and read back all the same") {
  const CollectiveTable table =
      Machine("dgx-h100", 32).table(test_of(CollectiveKind::all_reduce, 8, {mebibyte, mebibyte, 2, 1}));
  const std::string text = collective_text(table);
  CHECK_THAT(text, Contains("\n...\n"));
  const Measurements read = read_nccl_log(text, "simulated.txt", {});
  CHECK(read.collectives.front().ranks == 256);
  CHECK(read.collectives.front().nodes == 32);
}

TEST_CASE("of several communicators one is read back") {
  CollectiveTest test = test_of(CollectiveKind::broadcast, 8, {mebibyte, mebibyte, 2, 1});
  test.groups = 4;
  const Measurements read = read_nccl_log(collective_text(Machine("dgx-h100", 2).table(test)), "simulated.txt", {});
  CHECK(read.collectives.front().ranks == 4);
  CHECK(read.collectives.front().nodes == 2);
}

TEST_CASE("the JSON has a row per size with what NCCL chose") {
  CollectiveTable table = hand_built();
  const nlohmann::json json = nlohmann::json::parse(collective_json(table));
  CHECK(json["collective"] == "all_reduce");
  CHECK(json["group_size"] == 16);
  REQUIRE(json["rows"].size() == 1);
  const nlohmann::json& row = json["rows"][0];
  CHECK(row["bytes"] == 1073741824);
  CHECK(row["time_us"].get<double>() == Approx(10887.4));
  CHECK(row["busbw_gbps"].get<double>() == Approx(184.92).margin(0.005));
  CHECK(row["algorithm"] == "ring");
  CHECK(row["channels"] == 8);
  CHECK(row["contended"] == false);
  table.rows.front().alone.protocol = {};
  CHECK(nlohmann::json::parse(collective_json(table))["rows"][0]["protocol"].is_null());
}

}  // namespace
}  // namespace trainyard::testing
