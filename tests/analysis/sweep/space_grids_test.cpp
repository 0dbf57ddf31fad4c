#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "analysis/sweep/sweep.hpp"
#include "sim/base/scenario_files.hpp"
#include "sim/plan/check_plan.hpp"

namespace trainyard {
namespace {

const std::string workload = "workload: {sequence_length: 1024, global_batch_size: 8, precision: bf16}\n";

// 12 layers and 12 heads over one node of 8 GPUs.
std::vector<ParallelGrid> grids(const std::string& rest) {
  return load_sweep_text("model: gpt2\ncluster: dgx-h100\nnodes: 1\n" + workload + rest, "node.yaml")
      .space.axes()
      .grids;
}

template <class Value>
std::set<Value> values(const std::vector<ParallelGrid>& grids, Value ParallelGrid::*field, int pp = 0) {
  std::set<Value> seen;
  for (const ParallelGrid& grid : grids)
    if (pp == 0 || grid.pp == pp) seen.insert(grid.*field);
  return seen;
}

int illegal_grids(const Sweep& sweep) {
  const PlanSpace& space = sweep.space;
  const std::vector<int> usual(space.axes().inner.size(), 0);
  int illegal = 0;
  for (std::size_t g = 0; g < space.axes().grids.size(); ++g) {
    const Plan plan = space.plan(space.structure_at(g, usual) * space.variants());
    const auto problems = check_plan(plan, sweep.job.model, sweep.job.workload, sweep.job.cluster);
    if (!problems.empty()) ++illegal;
  }
  return illegal;
}

// tp 1, 2, 4 divide 8 GPUs and 12 heads; pp 1, 2, 4 divide 8 and 12 layers; of the 9 pairs tp 4 pp 4 needs 16 GPUs.
TEST_CASE("tensor and pipeline parallelism divide GPUs, heads and layers") {
  const auto all = grids("plan: {cp: 1, vpp: 1, mbs: 1, schedule: 1f1b}\n");
  CHECK(all.size() == 8);
  CHECK(values(all, &ParallelGrid::tp) == std::set{1, 2, 4});
  CHECK(values(all, &ParallelGrid::pp) == std::set{1, 2, 4});
}

// pp 2: 2 vpp chunks divide 12 for vpp 1, 2, 3, 6, and 12 + 2 for 7 (the ends hold embedding and head alone).
// pp 4: 4 vpp chunks divide 12 for vpp 1 and 3.
TEST_CASE("virtual stages are what the layers split over") {
  const auto all = grids("plan: {tp: 1, cp: 1, mbs: 1}\n");
  CHECK(values(all, &ParallelGrid::vpp, 1) == std::set{1});
  CHECK(values(all, &ParallelGrid::vpp, 2) == std::set{1, 2, 3, 6, 7});
  CHECK(values(all, &ParallelGrid::vpp, 4) == std::set{1, 3});
  // 8 / (dp 2 * 2) = 2 micro-batches are too few to interleave over 4 stages.
  CHECK(values(grids("plan: {tp: 1, cp: 1, mbs: 2}\n"), &ParallelGrid::vpp, 4) == std::set{1});
}

TEST_CASE("schedules fit the virtual stages") {
  const auto usual = grids("plan: {tp: 2, cp: 1, mbs: 1, pp: 2}\n");
  const auto of = [&](const std::vector<ParallelGrid>& from, int vpp) {
    std::set<std::string> names;
    for (const ParallelGrid& grid : from)
      if (grid.vpp == vpp) names.insert(grid.schedule);
    return names;
  };
  CHECK(of(usual, 1) == std::set<std::string>{"1f1b", "zb-h1", "zb-h2"});
  CHECK(of(usual, 2) == std::set<std::string>{"interleaved"});
  CHECK(of(usual, 3) == std::set<std::string>{"interleaved"});
  const auto every = grids("plan: {tp: 2, cp: 1, mbs: 1, pp: 2}\nspace: {schedule: all}\n");
  CHECK(of(every, 1).contains("gpipe"));
  CHECK(of(every, 2).contains("breadth-first"));
  CHECK(values(grids("plan: {pp: 1, cp: 1}\n"), &ParallelGrid::schedule) == std::set<std::string>{"1f1b"});
}

// gbs 8 over dp 8, 4, 2: 1, 2 and 4 sequences each.
TEST_CASE("micro-batches divide what a replica gets") {
  const auto all = grids("plan: {cp: 1, pp: 1}\n");
  const auto of = [&](int tp) {
    std::set<int> sizes;
    for (const ParallelGrid& grid : all)
      if (grid.tp == tp) sizes.insert(grid.micro_batch_size);
    return sizes;
  };
  CHECK(of(1) == std::set{1});
  CHECK(of(2) == std::set{1, 2});
  CHECK(of(4) == std::set{1, 2, 4});
}

TEST_CASE("micro-batches stay small unless all are wanted") {
  const std::string large =
      "model: gpt2\ncluster: dgx-h100\nnodes: 1\nplan: {tp: 1, pp: 1, cp: 1}\n"
      "workload: {sequence_length: 1024, global_batch_size: 256}\n";
  const auto sizes = [](const std::string& text) {
    return values(load_sweep_text(text, "large.yaml").space.axes().grids, &ParallelGrid::micro_batch_size);
  };
  CHECK(sizes(large) == std::set{1, 2, 4, 8, 16});
  CHECK(sizes(large + "space: {micro_batch_size: all}\n") == std::set{1, 2, 4, 8, 16, 32});
}

// 8 experts: ep divides them and the 8 GPUs, etp divides tp.
TEST_CASE("experts are spread where there are any") {
  const Sweep sweep = load_sweep_text(
      "model: mixtral-8x7b\ncluster: dgx-h100\nnodes: 1\n" + workload + "plan: {tp: 4, pp: 1, cp: 1, mbs: 1}\n",
      "moe.yaml");
  std::set<std::pair<int, int>> spread;
  for (const ParallelGrid& grid : sweep.space.axes().grids) spread.insert({grid.ep, grid.etp});
  // ep * etp <= 8
  CHECK(spread ==
        std::set<std::pair<int, int>>{{1, 1}, {1, 2}, {1, 4}, {2, 1}, {2, 2}, {2, 4}, {4, 1}, {4, 2}, {8, 1}});
  CHECK(values(grids("plan: {cp: 1}\n"), &ParallelGrid::ep) == std::set{1});
}

TEST_CASE("automatic grids are legal") {
  for (const char* name : {"gpt3-175b-64xa100", "llama3-70b-64xh100", "mixtral-8x7b-64xh100"}) {
    INFO(name);
    CHECK(illegal_grids(load_sweep(name)) == 0);
  }
  const Sweep overlapped =
      load_sweep_text("model: mixtral-8x7b\ncluster: dgx-h100\nnodes: 2\n" + workload +
                          "plan: {overlap_moe_expert_parallel_comm: true, recompute_granularity: none}\n",
                      "overlapped.yaml");
  CHECK(overlapped.space.axes().grids.size() > 10);
  CHECK(illegal_grids(overlapped) == 0);
}

TEST_CASE("named values stay where they do not fit") {
  // All named: 3 x 2 grids; tp 5 fits neither the heads nor the GPUs, vpp 2 needs another schedule.
  const auto named =
      grids("space: {tp: [1, 2, 5], pp: 1, vpp: [1, 2], cp: 1, ep: 1, etp: 1, mbs: 1, schedule: 1f1b}\n");
  CHECK(named.size() == 6);
  CHECK(named.back().dp == 0);
  // Others automatic: one grid says why.
  const auto automatic = grids("space: {tp: [2, 5]}\n");
  CHECK(std::count_if(automatic.begin(), automatic.end(), [](const ParallelGrid& g) { return g.tp == 5; }) == 1);
}

TEST_CASE("a named data-parallel size leaves the other grids out") {
  const auto four = grids("space: {dp: 4}\n");
  CHECK(values(four, &ParallelGrid::dp) == std::set{4});
  CHECK(values(four, &ParallelGrid::tp) == std::set{1, 2});
  CHECK(values(grids("plan: {data_parallel_size: 8}\n"), &ParallelGrid::pp) == std::set{1});
}

TEST_CASE("a list of layers says the number of virtual stages") {
  const auto all = grids("plan: {tp: 1, cp: 1, mbs: 1, layers_per_chunk: [3, 3, 3, 3]}\n");
  CHECK(values(all, &ParallelGrid::vpp, 1).empty());
  CHECK(values(all, &ParallelGrid::vpp, 2) == std::set{2});
  CHECK(values(all, &ParallelGrid::vpp, 4) == std::set{1});
}

TEST_CASE("every sweep that comes along loads") {
  const std::vector<std::string> names = scenario_names("sweeps");
  CHECK(names.size() >= 6);
  for (const std::string& name : names) {
    INFO(name);
    const Sweep sweep = load_sweep(name);
    CHECK(sweep.space.size() > 0);
    CHECK(sweep.warnings.empty());
    CHECK(load_sweep_text(sweep.text, sweep.file).hash == sweep.hash);
  }
}

TEST_CASE("the space of GPT-3 on 64 GPUs has over a million plans") {
  const PlanSpace space = load_sweep("gpt3-175b-64xa100").space;
  std::int64_t plans = 0;
  for (StructureIndex s = 0; s < space.structures(); ++s) plans += space.structure(s) ? space.variants() : 0;
  CHECK(plans > 1'000'000);
}

}  // namespace
}  // namespace trainyard
