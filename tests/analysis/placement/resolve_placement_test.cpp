#include <catch2/catch.hpp>

#include "analysis/placement/placement_search.hpp"
#include "analysis/simulate.hpp"
#include "sim/plan/plan_yaml.hpp"
#include "tests/analysis/placement/placement_words.hpp"
#include "topology/nvlink_ring.hpp"

namespace trainyard {
namespace {

using testing::groups_on_devices;
using testing::job_of;
using testing::layout_of;

struct Resolved {
  Job job;
  ChosenPlacement chosen;
  RankLayout layout;
};

Resolved resolve(const Job& job) {
  Resolved r{job, resolve_placement(job, Routes(job.cluster)), {}};
  r.layout = layout_of(job, r.chosen.plan);
  return r;
}

}  // namespace

TEST_CASE("a plan that asks for no search comes back as it is") {
  const Job job = job_of("dgx-h100", 2, "tp: 8, placement: scatter", 16);
  const ChosenPlacement chosen = resolve_placement(job, Routes(job.cluster));
  CHECK(chosen.plan == job.plan);
  CHECK_FALSE(chosen.gain);
}

TEST_CASE("tensor pairs of a bridged PCIe box go to the bridges") {
  // dp fastest: packed puts rank (t, d) on GPU d + 4 t, so that every tensor pair {d, d + 4} crosses the sockets. With
  // 128 micro-batches per replica the pairs send far more than the gradients.
  const Resolved r = resolve(job_of("a100-pcie-nvlink-bridge", 1,
                                    "tp: 2, dp: 4, sequence_parallel: true, rank_order: dp-tp-cp-ep-pp, "
                                    "placement: optimize",
                                    512));
  CHECK(groups_on_devices(r.layout, Axis::tp) == std::set<std::vector<int>>{{0, 1}, {2, 3}, {4, 5}, {6, 7}});
  CHECK(r.chosen.plan.rank_order == "dp-tp-cp-ep-pp");  // fixed by the user
  CHECK(r.chosen.gain->step < r.chosen.gain->packed_step);
  CHECK(r.chosen.gain->exposed < r.chosen.gain->packed_exposed);
}

TEST_CASE("tensor groups of a DGX-1V are two boards of four") {
  // dp fastest: packed puts the tensor groups on the even and the odd GPUs. {0,2,4,6} has links 0-2, 0-4 (two), 2-6 and
  // 4-6: one ring, two links per GPU. {0,1,2,3} has two rings, 0-3-2-1 and 0-3-1-2, four links per GPU; no group of
  // four has more, as no GPU has more than four links inside one.
  const Job job =
      job_of("dgx-1v", 1, "tp: 4, dp: 2, sequence_parallel: true, rank_order: dp-tp-cp-ep-pp, placement: optimize", 64);
  CHECK(nvlink_ring_links(job.cluster.node, std::vector<int>{0, 2, 4, 6}) == 2);
  const Resolved r = resolve(job);
  for (const std::vector<int>& group : groups_on_devices(r.layout, Axis::tp))
    CHECK(nvlink_ring_links(job.cluster.node, group) == 4);
  // Between the boards 0-4, 1-5, 2-6 and 3-7 are linked: any other pair of replicas would cross the sockets.
  CHECK(groups_on_devices(r.layout, Axis::dp) == std::set<std::vector<int>>{{0, 4}, {1, 5}, {2, 6}, {3, 7}});
}

TEST_CASE("tensor groups that packed spreads over eight nodes are brought together") {
  const Resolved r = resolve(job_of(
      "dgx-h100", 8, "tp: 8, dp: 8, sequence_parallel: true, rank_order: dp-tp-cp-ep-pp, placement: optimize", 64));
  for (const std::vector<int>& group : groups_on_devices(r.layout, Axis::tp))
    CHECK(group.back() / 8 == group.front() / 8);
  for (const std::vector<int>& group : groups_on_devices(r.layout, Axis::dp))
    for (const int device : group) CHECK(device % 8 == group.front() % 8);
  CHECK(r.chosen.plan.placement == PlacementKind::scatter);  // said without a list of devices
}

TEST_CASE("rails that packed leaves are kept") {
  // Nodes of eight without NVLink, GPUs 0-3 on NIC 0 and 4-7 on NIC 1, a leaf per NIC, uplinks of a quarter. tp 2, dp
  // 6, pp 4: packed puts the pipeline peer of rank 0, rank 12, on node 1, GPU 4, the other rail; every boundary then
  // pays the spine.
  Job job = job_of("l40s-pcie-8gpu", 6, "tp: 2, dp: 6, pp: 4, rank_order: tp-cp-ep-dp-pp, placement: optimize", 48);
  job.cluster.fabric = {FabricKind::rail_optimised, 0, 4.0, job.cluster.fabric.network};
  // Neighbouring stages on different nodes and rails.
  const auto spine_pairs = [](const RankLayout& layout) {
    int pairs = 0;
    for (int rank = 0; rank < layout.world_size(); ++rank) {
      RankCoordinates at = layout.coordinates(RankId(rank));
      if (++at.pp == layout.pp) continue;
      const int a = layout.device[static_cast<std::size_t>(rank)].value;
      const int b = layout.device[layout.rank(at).index()].value;
      pairs += a / 8 != b / 8 && a % 8 / 4 != b % 8 / 4 ? 1 : 0;
    }
    return pairs;
  };
  Plan packed = job.plan;
  packed.placement = PlacementKind::packed;
  CHECK(spine_pairs(layout_of(job, packed)) == 36);  // 12 at each of three boundaries
  Plan rail = packed;
  rail.placement = PlacementKind::rail;  // a node holds stages 0 and 1 or 2 and 3: 1 on GPUs 4-7, 2 on GPUs 0-3
  CHECK(spine_pairs(layout_of(job, rail)) == 12);
  const Resolved r = resolve(job);
  CHECK(r.chosen.gain->step < r.chosen.gain->packed_step);
  CHECK(spine_pairs(r.layout) == 0);  // stages 2 and 3 trade places
}

TEST_CASE("orders and kinds of placement that are the same are simulated once") {
  // tp 8 x dp 8 on eight nodes of one unit. tp inside the nodes: packed and rail in the order tp-dp, scatter in dp-tp.
  // tp across the nodes, on rails: the other three.
  const Job job = job_of("dgx-h100", 8, "tp: 8, dp: 8, sequence_parallel: true", 64);
  const Routes routes(job.cluster);
  PlacementSearch search(job, routes, 100);
  for (const char* order : {"tp-dp-cp-ep-pp", "dp-tp-cp-ep-pp"})
    for (const PlacementKind kind : {PlacementKind::packed, PlacementKind::scatter, PlacementKind::rail}) {
      Plan plan = job.plan;
      plan.rank_order = order;
      plan.placement = kind;
      search.consider(plan);
    }
  CHECK(search.gain().evaluated == 2);
  CHECK(search.gain().equivalent == 4);
  CHECK(search.best().plan.placement == PlacementKind::packed);
  CHECK(search.best().plan.rank_order == "tp-dp-cp-ep-pp");
}

TEST_CASE("what is chosen is reproduced by its printed plan, is no worse than packed, and is found again") {
  for (const char* plan :
       {"tp: 2, pp: 2, mbs: 1, placement: optimize", "tp: 4, placement: optimize, rank_order: pp-dp-tp-cp",
        "pp: 4, placement: optimize", "placement: optimize", "tp: 2, cp: 2, data_parallel: hsdp, placement: optimize"})
    for (const char* cluster : {"dgx-1v", "a100-pcie-nvlink-bridge", "l40s-pcie-8gpu"}) {
      INFO(plan << " on " << cluster);
      const Job job = job_of(cluster, 1, plan, 16);
      REQUIRE(check_plan(job.plan, job.model, job.workload, job.cluster).empty());
      const Routes routes(job.cluster);
      const ChosenPlacement chosen = resolve_placement(job, routes);
      CHECK(chosen.gain->step <= chosen.gain->packed_step);
      CHECK(chosen.gain->evaluated <= most_placements_simulated);
      const ChosenPlacement again = resolve_placement(job, routes);
      CHECK(again.plan == chosen.plan);
      CHECK(again.gain == chosen.gain);
      Job pasted = job;
      pasted.plan = chosen.plan;
      const YamlValue document = read_yaml_text(to_yaml(chosen.plan, job.workload), "pasted.yaml");
      YamlMapping top(document);
      const YamlValue workload = top.required("workload");
      pasted.plan = read_plan_and_workload(top.optional("plan"), workload).plan;
      CHECK(pasted.plan == chosen.plan);
      CHECK(simulate_step(pasted, routes).result.step_time == chosen.gain->step);
    }
}

TEST_CASE("a rank order that the user leaves open is chosen, too") {
  const Job job = job_of("dgx-h100", 2, "tp: 4, placement: optimize", 16);
  CHECK(job.plan.free_rank_order);
  CHECK_FALSE(resolve_placement(job, Routes(job.cluster)).plan.free_rank_order);
  CHECK_FALSE(job_of("dgx-h100", 2, "tp: 4, rank_order: dp-tp-cp-pp, placement: optimize", 16).plan.free_rank_order);
}

TEST_CASE("one GPU has one placement") {
  Job job = job_of("dgx-h100", 1, "tp: 8, placement: optimize", 8);
  job.cluster.node.gpus.resize(1);
  job.cluster.node.nics.clear();
  job.cluster.node.relations = {{Relation{}}};
  job.cluster.node.numa_affinity.resize(1);
  job.plan.tensor_parallel = 1;
  const ChosenPlacement chosen = resolve_placement(job, Routes(job.cluster));
  CHECK(chosen.plan.placement == PlacementKind::packed);
  CHECK(chosen.gain->evaluated == 1);
}

TEST_CASE("thousands of GPUs are searched with few simulations") {
  const Job job = job_of("dgx-h100", 256, "tp: 8, pp: 4, dp: 64, rank_order: pp-tp-cp-ep-dp, placement: optimize", 256);
  const Resolved r = resolve(job);
  CHECK(r.chosen.gain->evaluated <= 4 + 60);  // packed, scatter, rail, nodes mapped; stages swapped
  CHECK(r.chosen.gain->step <= r.chosen.gain->packed_step);
}

}  // namespace trainyard
