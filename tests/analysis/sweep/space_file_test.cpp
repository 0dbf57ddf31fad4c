#include <algorithm>
#include <catch2/catch.hpp>

#include "analysis/sweep/sweep.hpp"
#include "sim/base/errors.hpp"
#include "sim/base/scenario_files.hpp"
#include "topology/cluster.hpp"

namespace trainyard {
namespace {

// Lines 1 to 3.
const std::string head =
    "model: gpt2\ncluster: dgx-h100\nworkload: {sequence_length: 1024, global_batch_size: 32, precision: bf16}\n";

Sweep sweep(const std::string& rest) { return load_sweep_text(head + rest, "s.yaml"); }

// `where` is "line:column" of the text behind `head`, whose first line is 4.
void refused(const std::string& rest, const std::string& where, const std::string& what) {
  INFO(rest);
  try {
    sweep(rest);
    FAIL("no error");
  } catch (const InputError& e) {
    CHECK_THAT(e.what(), Catch::Matchers::StartsWith("s.yaml:" + where + ": "));
    CHECK_THAT(e.what(), Catch::Matchers::Contains(what));
  }
}

TEST_CASE("gpus become nodes") {
  CHECK(sweep("gpus: 16\n").job.cluster.nodes == 2);
  CHECK(sweep("gpus: 8\n").job.cluster.nodes == 1);
  refused("gpus: 12\n", "4:7", "a node has 8 (8 or 16 would fit)");
  refused("gpus: 4\n", "4:7", "less than the 8 of one node");
  refused("gpus: 0\n", "4:7", "outside");
  refused("gpus: 1e3\n", "4:7", "whole number");
  refused("gpus: 8\nnodes: 1\n", "5:8", "gpus and nodes say the same");
}

TEST_CASE("top is a number of plans") {
  CHECK(sweep("").top == 10);
  CHECK(sweep("top: 1000\n").top == 1000);
  refused("top: 0\n", "4:6", "outside 1 to 1000");
  refused("top: 1001\n", "4:6", "outside 1 to 1000");
  refused("top: many\n", "4:6", "whole number");
}

TEST_CASE("an axis is a range of a plan's key") {
  refused("space: {tpp: [1, 2]}\n", "4:9", "unknown key 'tpp' in space");
  refused("space: {tpp: all}\n", "4:9", "unknown key 'tpp' in space");
  refused("space: {tp: []}\n", "4:13", "empty list");
  refused("space: {tp: }\n", "4:9", "space.tp is empty");
  refused("space: {tp: [1, 2, 1]}\n", "4:20", "named twice");
  refused("space: {tp: [1, 2.5]}\n", "4:17", "whole number");
  refused("space: {tp: [0]}\n", "4:14", "outside 1");
  refused("space: {tp: {min: 1, max: 8}}\n", "4:13", "must be a single value");
  refused("space: {tp: [1, [2]]}\n", "4:17", "must be a single value");
  refused("space: {tp: 1, tensor_model_parallel_size: 2}\n", "4:16", "the same setting");
  refused("space: [tp, pp]\n", "4:8", "must be a mapping");
  refused("space: some\n", "4:8", "must be a mapping");
  refused("space: {schedule: [1f1b, 1f2b]}\n", "4:26", "did you mean '1f1b'?");
  refused("space: {schedule: [1f1b, 1f1b]}\n", "4:26", "named twice");
  refused("space: {data_parallel: [zero1, zero9]}\n", "4:32", "cannot be 'zero9'");
  refused("space: {data_parallel: [zero1, distributed_optimizer]}\n", "4:32", "named twice");
  refused("space: {recompute: [none, some]}\n", "4:27", "cannot be 'some'");
  refused("space: {gbs: [32, 64]}\n", "4:9", "compared at one batch");
  refused("space: {reduce_bucket_size: all}\n", "4:29", "no list of all its values");
}

TEST_CASE("what is fixed does not vary") {
  refused("plan: {tp: 2}\nspace: {tensor_model_parallel_size: [1, 2]}\n", "5:9",
          "space.tensor_model_parallel_size varies what plan.tp fixes");
  refused("space: {recompute: none, recompute_granularity: full}\n", "4:9", "stands beside recompute_granularity");
  refused("plan: {recompute_granularity: full}\nspace: {recompute: full}\n", "5:9", "stands beside");
  refused("space: {recompute_modules: [[core_attn], [layernorm]]}\n", "4:9", "needs selective recomputation");
  refused("space: {data_parallel: zero1, use_distributed_optimizer: [true, false]}\n", "4:9",
          "sets what another axis of space sets");
}

TEST_CASE("ranks are placed in ways that can be listed") {
  refused("plan: {placement: optimize}\n", "4:19", "tries the placements itself");
  refused("space: {placement: [packed, optimize]}\n", "4:29", "tries the placements itself");
  refused("space: {rank_order: [tp-cp-dp]}\n", "4:22", "must name each of");
  refused("space: {rank_order: [tp-cp-ep-dp-pp, tp-cp-ep-dp-pp]}\n", "4:38", "named twice");
  const Sweep listed = sweep("space: {placement: [packed, {devices: [7, 6, 5, 4, 3, 2, 1, 0]}]}\n");
  REQUIRE(listed.space.variants() == 4);  // two rank orders
  CHECK(listed.space.plan(1).placement_devices.front() == 7);
  CHECK(listed.space.plan(2).placement_devices.empty());
}

TEST_CASE("sweeps beyond reason are refused") {
  std::string sizes = "1";
  for (int size = 2; size <= 1000; ++size) sizes += "," + std::to_string(size);
  refused("space: {tp: [" + sizes + "], cp: [" + sizes + "], pp: [" + sizes + "]}\n", "4:8", "more than");
  refused("space: {tp: [" + sizes + ", 1001]}\n", "4:13", "lists 1001 values");
}

TEST_CASE("no plan at all is an error") {
  refused("plan: {dp: 3}\n", "1:1", "no plan fits");
  refused("space: {dp: 5}\n", "4:8", "no plan fits");
}

TEST_CASE("other mistakes are those of scenarios") {
  refused("spaces: {tp: 1}\n", "4:1", "unknown key 'spaces'");
  refused("plan: {tp: 0}\n", "4:12", "outside 1");
  CHECK_THROWS_WITH(load_sweep_text("cluster: dgx-h100\n", "s.yaml"), Catch::Matchers::Contains("missing key 'model'"));
  CHECK_THROWS_WITH(load_sweep_text("", "s.yaml"), Catch::Matchers::Contains("the file is empty"));
  CHECK_THROWS_WITH(load_sweep_text("[1, 2]", "s.yaml"), Catch::Matchers::Contains("must be a mapping"));
  CHECK_THROWS_AS(load_sweep_text(std::string("\0\x01\xff", 3), "s.yaml"), InputError);
  CHECK_THROWS_AS(load_sweep("no-such-sweep"), InputError);
}

TEST_CASE("any setting of a plan may vary") {
  const Sweep buckets = sweep(
      "plan: {tp: 1, pp: 1, cp: 1, mbs: 1, data_parallel: zero2}\n"
      "space: {reduce_bucket_size: [1000, 2000], cuda_graphs: all, cp_comm_type: all}\n");
  const std::vector<SweepAxis>& inner = buckets.space.axes().inner;
  REQUIRE(inner.size() >= 3);
  CHECK(inner[0].key == "reduce_bucket_size");
  CHECK(inner[1].values.size() == 2);
  CHECK(inner[2].values.size() == 4);  // p2p, all_gather, a2a, a2a+p2p
  std::vector<int> last(inner.size(), 0);
  last[0] = 1;
  last[1] = 1;
  const Plan plan = buckets.space.plan(buckets.space.structure_at(0, last) * buckets.space.variants());
  CHECK(plan.sharding.reduce_bucket == 2000);
  CHECK(plan.cuda_graphs == false);
  CHECK(plan.data_parallel_kind == DataParallelKind::zero2);
  CHECK(plan.global_batch_size == 32);
}

TEST_CASE("all space is no space") {
  CHECK(sweep("space: all\n").hash == sweep("").hash);
  CHECK(sweep("space: {}\n").hash == sweep("").hash);
}

TEST_CASE("the hash tells sweeps apart") {
  const std::string one = sweep("space: {tp: [1, 2]}\n").hash;
  CHECK(one.size() == 16);
  CHECK(sweep("space: {tp: [2, 1]}\n").hash == one);  // the order of grids is fixed
  CHECK(sweep("space: {tp: [1, 4]}\n").hash != one);
  CHECK(sweep("space: {tp: [1, 2]}\ntop: 11\n").hash != one);
  CHECK(sweep("space: {tp: [1, 2]}\nwhere: tp < 4\n").hash != one);
  CHECK(sweep("space: {tp: [1, 2], sequence_parallel: false}\n").hash != one);
  CHECK(sweep("space: {tp: [1, 2]}\nplan: {fsdp_prefetch_units: 2}\n").hash != one);
  CHECK(sweep("space: {tp: [1, 2], placement: [rail]}\n").hash != one);
}

TEST_CASE("overrides reach a sweep's own keys in any spelling") {
  const Sweep set =
      load_sweep("tiny", {{"space.tensor_model_parallel_size", "[2]"}, {"top", "3"}, {"where", "pp < 3"}});
  CHECK(set.top == 3);
  for (const ParallelGrid& grid : set.space.axes().grids) CHECK(grid.tp == 2);
  CHECK(load_sweep_text(set.text, set.file).hash == set.hash);
  CHECK(load_sweep("tiny", {{"workload.sequence_length", "512"}}).job.workload.sequence_length == 512);
  CHECK(load_sweep("tiny", {{"cluster", "dgx-a100-80gb"}}).job.cluster.gpu != load_sweep("tiny").job.cluster.gpu);
}

TEST_CASE("a scenario is a sweep whose plan fixes what it says") {
  const std::string scenario = scenario_file("", "llama3-70b-64xh100");
  const Sweep fixed = load_sweep(scenario);
  for (const ParallelGrid& grid : fixed.space.axes().grids) CHECK((grid.tp == 8 && grid.pp == 4 && grid.vpp == 5));
  REQUIRE_FALSE(fixed.warnings.empty());
  CHECK_THAT(fixed.warnings.back(), Catch::Matchers::Contains("--set plan={}"));
  const Sweep open = load_sweep(scenario, {{"plan", "{}"}});
  CHECK(open.space.axes().grids.size() > 1000);
}

}  // namespace
}  // namespace trainyard
