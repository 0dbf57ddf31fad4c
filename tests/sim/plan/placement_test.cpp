#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "sim/base/yaml_reader.hpp"
#include "sim/plan/check_plan.hpp"
#include "sim/plan/plan_yaml.hpp"
#include "sim/plan/rank_layout.hpp"
#include "tests/sim/plan/small_cluster.hpp"

using namespace trainyard;
using Catch::Contains;
using trainyard::test::cluster_of;

namespace {

std::vector<int> devices(const RankLayout& layout) {
  std::vector<int> all;
  for (DeviceId device : layout.device) all.push_back(device.value);
  return all;
}

Plan plan_of(int tp, int dp, int pp, PlacementKind placement) {
  Plan plan;
  plan.tensor_parallel = tp;
  plan.data_parallel = dp;
  plan.pipeline_parallel = pp;
  plan.placement = placement;
  return plan;
}

bool every_device_once(const RankLayout& layout) {
  const std::vector<int> all = devices(layout);
  return std::set<int>(all.begin(), all.end()).size() == all.size() &&
         all.size() == static_cast<std::size_t>(layout.world_size());
}

// Does every group of the axis sit on the same local indices on each node it touches?
bool is_rail_aligned(const RankLayout& layout, Axis axis, const Cluster& cluster) {
  for (int rank = 0; rank < layout.world_size(); ++rank) {
    const RankGroup group = layout.group(axis, RankId(rank));
    std::map<NodeId, std::set<int>> rails;
    for (int i = 0; i < group.size; ++i) {
      const DeviceId device = layout.device[group.at(i).index()];
      rails[cluster.node_of(device)].insert(cluster.local_index(device));
    }
    for (const auto& [node, used] : rails)
      if (used != rails.begin()->second) return false;
  }
  return true;
}

bool every_axis_is_rail_aligned(const RankLayout& layout, const Cluster& cluster) {
  for (Axis axis : {Axis::tp, Axis::cp, Axis::dp, Axis::pp})
    if (!is_rail_aligned(layout, axis, cluster)) return false;
  return true;
}

Plan plan_from(const std::string& text) { return read_plan(read_yaml_text(text, "plan.yaml")); }

std::string plan_error(const std::string& text) {
  try {
    plan_from(text);
  } catch (const InputError& e) {
    return e.what();
  }
  return "no error";
}

// The only problem of a list of devices for tp 2 on two nodes of two.
std::string problem_of(const std::vector<int>& devices) {
  Plan plan = plan_of(2, 0, 1, PlacementKind::device_list);
  plan.global_batch_size = 2;
  plan.placement_devices = devices;
  std::string text;
  for (const PlanProblem& p :
       check_plan(plan, trainyard::test::llama3_70b(), trainyard::test::workload_8k(), cluster_of(2, 2)))
    text += p.axis + ": " + p.reason;
  return text;
}

}  // namespace

TEST_CASE("packed fills the nodes in rank order") {
  CHECK(devices(lay_out(plan_of(2, 2, 2, PlacementKind::packed), cluster_of(2, 4))) ==
        std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE("scatter puts consecutive ranks on different nodes") {
  // 2 nodes of 4: ranks 0, 2, 4, 6 on node 0, ranks 1, 3, 5, 7 on node 1
  CHECK(devices(lay_out(plan_of(2, 2, 2, PlacementKind::scatter), cluster_of(2, 4))) ==
        std::vector<int>{0, 4, 1, 5, 2, 6, 3, 7});
}

TEST_CASE("rail equals packed where the fastest axes fill whole nodes") {
  for (const auto& [tp, dp, pp] : std::vector<std::array<int, 3>>{{8, 4, 2}, {4, 2, 8}, {2, 4, 8}, {1, 16, 4}}) {
    INFO(tp << " " << dp << " " << pp);
    const Cluster cluster = cluster_of(8, 8);
    CHECK(devices(lay_out(plan_of(tp, dp, pp, PlacementKind::rail), cluster)) ==
          devices(lay_out(plan_of(tp, dp, pp, PlacementKind::packed), cluster)));
  }
}

TEST_CASE("rail keeps peers on one rail where packed would shift them") {
  // 6 nodes of 8, tp 2, dp 6, pp 4. Packed: rank 12 is the pipeline peer of rank 0, on local index 12 % 8 = 4.
  const Cluster cluster = cluster_of(6, 8);
  CHECK_FALSE(is_rail_aligned(lay_out(plan_of(2, 6, 4, PlacementKind::packed), cluster), Axis::pp, cluster));
  const RankLayout rail = lay_out(plan_of(2, 6, 4, PlacementKind::rail), cluster);
  CHECK(every_axis_is_rail_aligned(rail, cluster));
  // The box of a node is tp 2 x dp gcd(6, 4) = 2 x pp gcd(4, 2) = 2: dp 1 stays on the node, dp 2 is on the next.
  CHECK(rail.device[rail.rank({.dp = 1}).index()] == DeviceId(2));
  CHECK(rail.device[rail.rank({.dp = 2}).index()] == DeviceId(8));
  CHECK(rail.device[rail.rank({.pp = 1}).index()] == DeviceId(4));
}

TEST_CASE("rail is aligned and uses every device once for any sizes") {
  for (int tp : {1, 2, 3, 4, 8, 16})
    for (int dp : {1, 2, 5, 6, 12})
      for (int pp : {1, 2, 3, 4, 6}) {
        const int world = tp * dp * pp;
        for (int gpus_per_node : {1, 2, 4, 6, 8}) {
          if (world % gpus_per_node != 0) continue;
          INFO("tp " << tp << " dp " << dp << " pp " << pp << " on nodes of " << gpus_per_node);
          const Cluster cluster = cluster_of(world / gpus_per_node, gpus_per_node);
          const RankLayout layout = lay_out(plan_of(tp, dp, pp, PlacementKind::rail), cluster);
          REQUIRE(every_device_once(layout));
          REQUIRE(every_axis_is_rail_aligned(layout, cluster));
        }
      }
}

TEST_CASE("explicit placement fills the listed local indices node by node") {
  Plan plan = plan_of(2, 2, 2, PlacementKind::explicit_list);
  plan.explicit_placement = {{3, 1, 0, 2}, {0, 1, 2, 3}};
  CHECK(devices(lay_out(plan, cluster_of(2, 4))) == std::vector<int>{3, 1, 0, 2, 4, 5, 6, 7});
}

TEST_CASE("a list of devices puts every rank where it says") {
  const Plan plan = plan_from("{tp: 2, placement: {devices: [0, 2, 3, 1]}}");
  CHECK(plan.placement == PlacementKind::device_list);
  CHECK(devices(lay_out(plan, cluster_of(2, 2))) == std::vector<int>{0, 2, 3, 1});
  CHECK_THAT(to_yaml(plan, {}), Contains("\n  placement: {devices: [0, 2, 3, 1]}\n"));
  CHECK(canonical_key(plan) != canonical_key(plan_from("{tp: 2, placement: {devices: [0, 2, 1, 3]}}")));
}

TEST_CASE("a list of devices must name each once") {
  CHECK(problem_of({3, 1, 0, 2}).empty());
  CHECK(problem_of({0, 1, 2}) == "placement: placement lists devices of 3 ranks, but the cluster has 4 GPUs");
  CHECK(problem_of({}) == "placement: placement lists devices of 0 ranks, but the cluster has 4 GPUs");
  CHECK(problem_of({0, 1, 2, 4}) == "placement: placement puts rank 3 on device 4, but the cluster's are 0 to 3");
  CHECK(problem_of({0, -1, 2, 3}) == "placement: placement puts rank 1 on device -1, but the cluster's are 0 to 3");
  CHECK(problem_of({0, 1, 2, 1}) == "placement: placement puts ranks 1 and 3 on device 1");
}

TEST_CASE("mistaken placement keys are pointed at") {
  CHECK_THAT(plan_error("placement: devices"), Contains("plan.yaml:1:12") && Contains("needs its list"));
  CHECK_THAT(plan_error("placement: {devices: [0, 1], explicit: [[0, 1]]}"), Contains("either explicit or devices"));
  CHECK_THAT(plan_error("placement: {devices: [0, -1]}"), Contains("outside 0"));
  CHECK_THAT(plan_error("placement: {devices: [0, one]}"), Contains("whole number"));
  CHECK_THAT(plan_error("placement: {devices: 3}"), Contains("plan.yaml:1:22"));
  CHECK_THAT(plan_error("placement: {devices: [0], seed: 1}"), Contains("unknown key 'seed'"));
  CHECK_THAT(plan_error("placement: optimise"), Contains("did you mean 'optimize'"));
}

TEST_CASE("optimize is packed until it is answered, and says whether the rank order is open") {
  const Plan open = plan_from("{tp: 2, placement: optimize}");
  CHECK(open.free_rank_order);
  CHECK(devices(lay_out(open, cluster_of(2, 2))) == std::vector<int>{0, 1, 2, 3});
  const Plan fixed = plan_from("{tp: 2, placement: optimize, rank_order: dp-tp-cp-pp}");
  CHECK_FALSE(fixed.free_rank_order);
  for (const Plan& plan : {open, fixed}) {
    YamlMapping top(read_yaml_text(to_yaml(plan, {.sequence_length = 1}), "plan.yaml"));
    CHECK(read_plan(top.required("plan")) == plan);
  }
}
