#include <catch2/catch.hpp>

#include <chrono>
#include <cmath>

#include "sim/base/scenario_files.hpp"
#include "tests/sim/engine/footprint_words.hpp"

using namespace trainyard;

TEST_CASE("nothing moves in a group of less than two") {
  const Yard yard(preset("dgx-h100", 2));
  for (const Kind kind : {Kind::all_reduce, Kind::all_to_all, Kind::send_receive}) {
    CHECK(yard.run(kind, "ring", {3}).empty());
    CHECK(yard.run(kind, "ring", {}).empty());
  }
}

TEST_CASE("the order in which members are listed does not matter") {
  const Yard yard(preset("dgx-h100", 4));
  CHECK(yard.run(Kind::all_reduce, "ring", {25, 0, 9, 16, 1, 24, 8, 17}) ==
        yard.run(Kind::all_reduce, "ring", {0, 1, 8, 9, 16, 17, 24, 25}));
}

TEST_CASE("on every preset, whatever leaves a node enters another, and links come once in order") {
  const std::vector<std::vector<int>> groups = {every(1, 12), {0, 1, 2, 5, 8, 9, 17, 20, 23}, {1, 3, 6}, every(1, 24)};
  for (const std::string& name : scenario_names("clusters")) {
    const Yard yard(preset(name, 24 / preset(name, 1).gpus_per_node()));
    for (const std::vector<int>& group : groups)
      for (const Kind kind : {Kind::all_reduce, Kind::all_gather, Kind::reduce_scatter, Kind::broadcast,
                              Kind::all_to_all, Kind::send_receive})
        for (const char* algorithm : {"ring", "tree", "nvls", "nvls-tree", "hierarchical", "collnet-direct", "pat",
                                      "pairwise", "two-hop", "neighbour"}) {
          INFO(name << " " << trainyard::name(kind) << " " << algorithm << " " << group.size());
          const std::vector<LinkUse> uses = collective_footprint(kind, algorithm, -1.0, devices(group), yard.links());
          REQUIRE_FALSE(uses.empty());
          CHECK(sum(yard, uses, SharedLinkKind::nic_out) == Approx(sum(yard, uses, SharedLinkKind::nic_in)));
          CHECK(sum(yard, uses, SharedLinkKind::leaf_up) == Approx(sum(yard, uses, SharedLinkKind::leaf_down)));
          for (std::size_t i = 0; i < uses.size(); ++i) {
            REQUIRE((i == 0 || uses[i - 1].link < uses[i].link));
            REQUIRE((uses[i].bytes > 0 && std::isfinite(uses[i].bytes)));
          }
        }
  }
}

TEST_CASE("a ring enters and leaves every node of an uneven group once") {
  const Yard yard(preset("dgx-h100", 3));
  const std::vector<DeviceId> group = devices({0, 1, 2, 8, 9, 16});
  const std::vector<LinkUse> uses = collective_footprint(Kind::all_gather, "ring", -1.0, group, yard.links());
  std::vector<double> in(3, 0.0);
  std::vector<double> out(3, 0.0);
  for (const LinkUse& use : uses) {
    const SharedLink link = yard.links().link(use.link);
    const auto node = static_cast<std::size_t>(link.node);
    if (link.kind == SharedLinkKind::nic_in) in[node] += use.bytes;
    if (link.kind == SharedLinkKind::nic_out) out[node] += use.bytes;
  }
  for (std::size_t node = 0; node < 3; ++node) {
    CHECK(in[node] == Approx(5.0 / 6));  // (n-1)/n
    CHECK(out[node] == Approx(5.0 / 6));
  }
}

TEST_CASE("footprints of two thousand ranks take less than a millisecond") {
  const Yard yard(preset("dgx-h100", 2048));
  const std::vector<DeviceId> dense = devices(every(1, 2048));
  const std::vector<DeviceId> sparse = devices(every(8, 16384));
  const auto start = std::chrono::steady_clock::now();
  for (const auto* group : {&dense, &sparse})
    for (const char* algorithm : {"ring", "tree", "nvls-tree"})
      CHECK_FALSE(collective_footprint(Kind::all_reduce, algorithm, -1.0, *group, yard.links()).empty());
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  CHECK(taken.count() < 0.2);  // 6 ms on an idle machine; the margin is for sanitizers and busy ones
}
