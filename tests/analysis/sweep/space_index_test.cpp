#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "analysis/sweep/plan_space.hpp"
#include "analysis/sweep/sweep.hpp"
#include "sim/plan/check_plan.hpp"

namespace trainyard {
namespace {

// gpt2: 12 layers, 12 heads; one node of 8 GPUs.
Sweep node(const std::string& rest) {
  return load_sweep_text("model: gpt2\ncluster: dgx-h100\nnodes: 1\n" + rest, "node.yaml");
}

const std::string workload = "workload: {sequence_length: 1024, global_batch_size: 32, precision: bf16}\n";

std::int64_t kept(const PlanSpace& space) {
  std::int64_t count = 0;
  for (StructureIndex s = 0; s < space.structures(); ++s) count += space.structure(s) ? 1 : 0;
  return count;
}

// Keys of the legal plans of variant 0; how many legal plans there are.
std::pair<std::set<std::string>, std::int64_t> keys_of(const Sweep& sweep) {
  std::set<std::string> keys;
  std::int64_t legal = 0;
  for (StructureIndex s = 0; s < sweep.space.structures(); ++s) {
    const std::optional<Plan> plan = sweep.space.structure(s);
    if (!plan || !check_plan(*plan, sweep.job.model, sweep.job.workload, sweep.job.cluster).empty()) continue;
    ++legal;
    keys.insert(canonical_key(resolved(*plan, sweep.job.model, sweep.job.cluster)));
  }
  return {keys, legal};
}

TEST_CASE("a structure's digits lead back to it") {
  const PlanSpace space = load_sweep("tiny").space;
  for (StructureIndex s = 0; s < space.structures(); ++s) {
    const std::vector<int> digits = space.digits(s);
    REQUIRE(space.structure_at(static_cast<std::size_t>(s / space.inner_size()), digits) == s);
    for (std::size_t axis = 0; axis < digits.size(); ++axis)
      REQUIRE(digits[axis] < std::ssize(space.axes().inner[axis].values));
  }
}

TEST_CASE("the last inner axis is the fastest and variants are faster than all of them") {
  const PlanSpace space = node(workload +
                               "plan: {cp: 1, pp: 1, tp: 1, mbs: 1, recompute_granularity: none}\n"
                               "space: {data_parallel: [ddp, zero1], overlap_grad_reduce: [true, false],\n"
                               "  overlap_param_gather: true}\n")
                              .space;
  // sequence_parallel (2) x data_parallel (2) x overlap_grad_reduce (2) x overlap_param_gather (1)
  CHECK(space.inner_size() == 8);
  CHECK(space.variants() == 2);
  CHECK(space.digits(1) == std::vector{0, 0, 1, 0});
  CHECK(space.digits(6) == std::vector{1, 1, 0, 0});
  CHECK(space.plan(0).rank_order == "tp-cp-ep-dp-pp");
  CHECK(space.plan(1).rank_order == "tp-cp-ep-pp-dp");
  CHECK(space.plan(1).overlap_grad_reduce == true);
  CHECK(space.plan(2).overlap_grad_reduce == false);
  CHECK(space.plan(4).data_parallel_kind == DataParallelKind::zero1);
}

TEST_CASE("a plan is its structure with its variant") {
  const PlanSpace space = load_sweep("tiny").space;
  for (StructureIndex s = 0; s < space.structures(); s += 7) {
    std::optional<Plan> plan = space.structure(s);
    if (!plan) continue;
    CHECK(*plan == space.plan(s * space.variants()));
    space.place(*plan, 1);
    CHECK(*plan == space.plan(s * space.variants() + 1));
  }
}

// tp, cp, ep, etp, micro-batch size, pp, vpp, schedule: the first is the slowest.
TEST_CASE("grids stand in a fixed order") {
  const Sweep sweep = load_sweep("tiny");
  std::vector<std::string> first;
  for (std::size_t g = 0; g < 20; ++g) {
    const ParallelGrid& grid = sweep.space.axes().grids[g];
    first.push_back("tp" + std::to_string(grid.tp) + " mbs" + std::to_string(grid.micro_batch_size) + " pp" +
                    std::to_string(grid.pp) + " vpp" + std::to_string(grid.vpp) + " " + grid.schedule);
  }
  CHECK(first[0] == "tp1 mbs1 pp1 vpp1 1f1b");
  CHECK(first[1] == "tp1 mbs1 pp1 vpp1 interleaved");
  CHECK(first[2] == "tp1 mbs1 pp1 vpp1 zb-h1");
  CHECK(first[3] == "tp1 mbs1 pp1 vpp2 1f1b");
  CHECK(first[9] == "tp1 mbs1 pp2 vpp1 1f1b");
  CHECK(first[13] == "tp1 mbs1 pp2 vpp2 interleaved");
  // 3 pipelines x 3 virtual stages x 3 schedules
  CHECK(sweep.space.axes().grids[27].micro_batch_size == 2);
  CHECK(sweep.space.axes().grids[54].tp == 2);
}

TEST_CASE("the first plans of a sweep keep their keys") {
  const Sweep sweep = load_sweep("tiny");
  CHECK(canonical_key(sweep.space.plan(0)) ==
        "tp=1 pp=1 vpp=1 dp=8 cp=1 ep=1 etp=0 mbs=1 gbs=32 sp=off schedule=1f1b data_parallel=ddp recompute=none "
        "order=tp-cp-ep-dp-pp placement=packed layers=[] overlap_grad_reduce=on overlap_param_gather=on "
        "overlap_p2p=default tp_comm_overlap=default grad_reduce=default");
  CHECK(canonical_key(sweep.space.plan(7)) ==
        "tp=1 pp=1 vpp=1 dp=8 cp=1 ep=1 etp=0 mbs=1 gbs=32 sp=off schedule=1f1b data_parallel=zero1 recompute=none "
        "order=tp-cp-ep-pp-dp placement=packed layers=[] overlap_grad_reduce=off overlap_param_gather=on "
        "overlap_p2p=default tp_comm_overlap=default grad_reduce=default");
}

// 4 grids (tp 1, 2 x pp 1, 4; dp 8, 2, 4, 1) x 2 (sequence_parallel) x 2 (data_parallel) x 2 (overlap_grad_reduce).
// Left of each grid: tp 1 pp 1: 1 x 2 x 2; tp 1 pp 4: the same; tp 2 pp 1: 2 x 2 x 2; tp 2 pp 4, where dp is 1:
// 2 x 1 x 1.
TEST_CASE("values without an effect are excluded but for one") {
  const Sweep sweep = node(workload + R"(
plan: {cp: 1, vpp: 1, mbs: 1, schedule: 1f1b, overlap_param_gather: true, rank_order: tp-cp-ep-dp-pp, placement: packed}
space: {tp: [1, 2], pp: [1, 4], recompute: none, data_parallel: [zero1, ddp], overlap_grad_reduce: [true, false]}
)");
  CHECK(sweep.space.size() == 4 * 2 * 2 * 2);
  CHECK(kept(sweep.space) == 4 + 4 + 8 + 2);
}

TEST_CASE("parameters are gathered under sharding alone") {
  const Sweep sweep = node(workload + R"(
plan: {tp: 1, pp: 1, cp: 1, mbs: 1, sequence_parallel: false, recompute_granularity: none, overlap_grad_reduce: true}
space: {data_parallel: [ddp, zero1], overlap_param_gather: [false, true], rank_order: tp-cp-ep-dp-pp}
)");
  CHECK(sweep.space.size() == 4);
  CHECK(kept(sweep.space) == 3);
}

// check_plan refuses fp8_param_gather under ddp.
TEST_CASE("a kind of data parallelism that another setting needs stays") {
  const std::string fp8 = "workload: {sequence_length: 1024, global_batch_size: 32, precision: fp8}\n";
  const Sweep sweep = node(fp8 + R"(
plan: {tp: 2, pp: 4, cp: 1, mbs: 1, vpp: 1, schedule: 1f1b, sequence_parallel: false, fp8_param_gather: true}
space: {recompute: none, data_parallel: [ddp, zero1], overlap_grad_reduce: true, overlap_param_gather: true}
)");
  CHECK(kept(sweep.space) == 2);
  CHECK(keys_of(sweep).second == 1);
}

// 12 layers over pp 4: chunks of 3, of which a quarter is none, a half 1 and three quarters 2.
// Over pp 12: chunks of 1, of which every part is none.
TEST_CASE("parts of a chunk that round alike are excluded") {
  const auto recomputed = [](int pipeline) {
    const Sweep sweep =
        load_sweep_text("model: gpt2\ncluster: dgx-h100\nnodes: 3\n" + workload +
                            "plan: {tp: 1, cp: 1, vpp: 1, mbs: 1, schedule: 1f1b, " +
                            "pp: " + std::to_string(pipeline) + ", sequence_parallel: false, data_parallel: ddp}\n" +
                            "space: {recompute: all, overlap_grad_reduce: true, overlap_param_gather: true}\n",
                        "three.yaml");
    std::vector<int> layers;
    for (StructureIndex s = 0; s < sweep.space.structures(); ++s)
      if (const auto plan = sweep.space.structure(s); plan && plan->recompute_method == RecomputeMethod::block)
        layers.push_back(plan->recompute_layers);
    return layers;
  };
  CHECK(recomputed(4) == std::vector{1, 2});
  CHECK(recomputed(12).empty());
  CHECK(recomputed(1) == std::vector{3, 6, 9});
}

TEST_CASE("no two structures of a space are the same plan") {
  const Sweep tiny = load_sweep("tiny");
  const auto [few, few_legal] = keys_of(tiny);
  CHECK(few_legal > 100);
  CHECK(std::ssize(few) == few_legal);
  const Sweep all = node(workload + "plan: {cp: 1}\nspace: {mbs: [1, 4]}\n");
  const auto [many, many_legal] = keys_of(all);
  CHECK(many_legal > 2000);
  CHECK(std::ssize(many) == many_legal);
}

TEST_CASE("all rank orders are the permutations of the axes that a model has") {
  const auto orders = [](const std::string& model) {
    const Sweep sweep = load_sweep_text("model: " + model + "\ncluster: dgx-h100\nnodes: 2\n" + workload +
                                            "plan: {tp: 1, pp: 1, cp: 1, mbs: 1, placement: packed}\n"
                                            "space: {rank_order: all}\n",
                                        "orders.yaml");
    std::set<std::string> different;
    for (const PlacementVariant& v : sweep.space.axes().variants) different.insert(v.rank_order);
    CHECK(sweep.space.axes().variants.front().rank_order == "tp-cp-ep-dp-pp");
    return different.size();
  };
  CHECK(orders("gpt2") == 24);           // 4!
  CHECK(orders("mixtral-8x7b") == 120);  // 5!
}

}  // namespace
}  // namespace trainyard
