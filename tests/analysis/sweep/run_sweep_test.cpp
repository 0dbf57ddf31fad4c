// A sweep gives one answer, however it is run.
#include "analysis/sweep/run_sweep.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <atomic>
#include <filesystem>
#include <stdexcept>

#include "sim/base/scenario_files.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

// Stores of one test case, deleted again.
class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("trainyard_run_sweep_test_{}", getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

// Few of the best: each is simulated again for the answer.
Sweep tiny() { return load_sweep(scenario_file("sweeps", "tiny"), {{"top", "2"}}); }

// Another model on several nodes, so that placements differ.
Sweep two_nodes() {
  return load_sweep_text(R"(model: llama3-8b
cluster: dgx-h100
nodes: 2
workload: {sequence_length: 8192, global_batch_size: 32, precision: bf16}
stack: megatron-core
plan: {cp: 1, mbs: 1, recompute_granularity: none, overlap_grad_reduce: true, overlap_param_gather: true}
space: {tp: [1, 2, 4], pp: [1, 2, 4], vpp: [1, 2], schedule: [1f1b, interleaved], data_parallel: [ddp, zero1], placement: [packed, scatter]}
top: 2
)",
                         "two_nodes.yaml");
}

struct Outcome {
  std::string answer;
  SweepCounts counts;
};

Outcome outcome_of(const Sweep& sweep, const ResultStore& store) {
  return {answer_json(make_answer(sweep, Routes(sweep.job.cluster), store)), store.counts()};
}

ResultStore run(const Sweep& sweep, const SweepRun& how, const std::string& path) {
  ResultStore store = ResultStore::open(path, store_identity(sweep, how));
  REQUIRE(run_sweep(sweep, Routes(sweep.job.cluster), how, store));
  return store;
}

Outcome whole(const Sweep& sweep, const SweepRun& how, const std::string& path) {
  return outcome_of(sweep, run(sweep, how, path));
}

// Runs until `batches` are stored; false says that it was not done by then.
bool run_some(const Sweep& sweep, SweepRun how, const std::string& path, int batches) {
  std::atomic<bool> stop = false;
  int told = -1;  // the first call comes before the first batch
  how.stop = &stop;
  how.progress = [&](const SweepProgress&) { stop = ++told >= batches; };
  ResultStore store = ResultStore::open(path, store_identity(sweep, how));
  return run_sweep(sweep, Routes(sweep.job.cluster), how, store);
}

void check_all_ways_agree(const Sweep& sweep) {
  const Folder folder;
  const Outcome single = whole(sweep, {}, folder / "single.db");
  CHECK(single.counts.total() == sweep.space.size());
  CHECK(single.counts.evaluated > 0);

  CHECK(whole(sweep, {.threads = 3}, folder / "threads.db").answer == single.answer);

  REQUIRE_FALSE(run_some(sweep, {}, folder / "interrupted.db", 3));
  CHECK(ResultStore::read(folder / "interrupted.db").counts().total() < single.counts.total());
  CHECK(whole(sweep, {.threads = 2}, folder / "interrupted.db").answer == single.answer);

  std::vector<std::string> shards;
  for (int i = 3; i >= 0; --i) {
    const Shard shard{i, 4, ""};
    shards.push_back(shard_path(folder / "merged.db", shard));
    run(sweep, {.shard = shard}, shards.back());
  }
  merge_stores(shards, folder / "merged.db");
  CHECK(outcome_of(sweep, ResultStore::read(folder / "merged.db")).answer == single.answer);
}

TEST_CASE("threads, shards and interrupts leave no trace in the answer: one node") { check_all_ways_agree(tiny()); }

TEST_CASE("threads, shards and interrupts leave no trace in the answer: two nodes") {
  check_all_ways_agree(two_nodes());
}

void check_pruning_changes_counts_only(const Sweep& sweep) {
  const Folder folder;
  const ResultStore pruned_store = run(sweep, {}, folder / "pruned.db");
  const ResultStore whole_store = run(sweep, {.prune = false}, folder / "whole.db");
  CHECK(pruned_store.fastest(sweep.top) == whole_store.fastest(sweep.top));
  CHECK(pruned_store.pareto() == whole_store.pareto());
  CHECK(whole_store.counts().pruned == 0);
  // A pruned plan was not asked whether it fits, nor whether another crosses the same links.
  const auto asked = [](const SweepCounts& c) { return c.evaluated + c.pruned + c.out_of_memory + c.same_placement; };
  const SweepCounts pruned = pruned_store.counts(), whole = whole_store.counts();
  CHECK(asked(pruned) == asked(whole));
  CHECK(pruned.pruned > 0);
  CHECK(pruned.infeasible_reasons == whole.infeasible_reasons);
}

TEST_CASE("pruning keeps the best plans and the Pareto front: one node") { check_pruning_changes_counts_only(tiny()); }

TEST_CASE("pruning keeps the best plans and the Pareto front: two nodes") {
  check_pruning_changes_counts_only(two_nodes());
}

TEST_CASE("a pruned and an unpruned run have different stores") {
  const Folder folder;
  const Sweep sweep = tiny();
  CHECK(pruned(store_identity(sweep, {})));
  CHECK_FALSE(pruned(store_identity(sweep, {.prune = false})));
  ResultStore::open(folder / "a.db", store_identity(sweep, {}));
  CHECK_THROWS_AS(ResultStore::open(folder / "a.db", store_identity(sweep, {.prune = false})), StoreError);
}

TEST_CASE("what a store has is not done again") {
  const Folder folder;
  const Sweep sweep = tiny();
  run(sweep, {}, folder / "a.db");
  bool told = false;
  run(sweep, {.progress = [&](const SweepProgress&) { told = true; }}, folder / "a.db");
  CHECK_FALSE(told);
}

TEST_CASE("progress counts every plan of the run and knows the best so far") {
  const Folder folder;
  const Sweep sweep = tiny();
  std::vector<SweepProgress> told;
  const ResultStore store =
      run(sweep, {.progress = [&](const SweepProgress& now) { told.push_back(now); }}, folder / "a.db");
  REQUIRE(std::ssize(told) == batch_count(sweep) + 1);
  CHECK(told.front().plans == 0);
  CHECK_FALSE(told.front().best);
  CHECK(told.back().plans == sweep.space.size());
  CHECK(told.back().all_plans == sweep.space.size());
  CHECK(told.back().engine_plans == store.counts().evaluated);
  CHECK(told.back().best == store.fastest(1).front().step_time);
}

TEST_CASE("a shard counts its own plans") {
  const Folder folder;
  const Sweep sweep = tiny();
  std::int64_t plans = 0;
  for (int i = 0; i < 3; ++i) {
    SweepProgress last;
    const SweepRun how{.prune = false, .shard = {i, 3, ""}, .progress = [&](const SweepProgress& now) { last = now; }};
    run(sweep, how, shard_path(folder / "a.db", how.shard));
    CHECK(last.plans == last.all_plans);
    plans += last.plans;
  }
  CHECK(plans == sweep.space.size());
}

TEST_CASE("a shard without a batch is done at once") {
  const Folder folder;
  const Sweep sweep = tiny();
  const int shards = static_cast<int>(batch_count(sweep)) + 1;
  const ResultStore store = run(sweep, {.shard = {shards - 1, shards, ""}}, folder / "last.db");
  CHECK(store.counts().total() == 0);
}

// A sweep whose `where` fails from its n-th call on, as memory could run out.
Sweep failing_after(int calls) {
  Sweep sweep = tiny();
  SpaceAxes axes = sweep.space.axes();
  const auto left = std::make_shared<std::atomic<int>>(calls);
  axes.where = [left](const Plan&) {
    if (--*left < 0) throw std::runtime_error("no more");
    return true;
  };
  sweep.space = PlanSpace(sweep.job.plan, std::move(axes));
  return sweep;
}

TEST_CASE("what a thread throws is thrown on when the finished batches are stored") {
  const Folder folder;
  for (const int threads : {1, 2}) {
    INFO(threads);
    const Sweep sweep = failing_after(100);
    const SweepRun how{.threads = threads, .prune = false};
    const std::string path = folder / fmt::format("{}.db", threads);
    {
      ResultStore store = ResultStore::open(path, store_identity(sweep, how));
      CHECK_THROWS_WITH(run_sweep(sweep, Routes(sweep.job.cluster), how, store), "no more");
    }
    const std::int64_t stored = ResultStore::read(path).counts().total();
    CHECK(stored > 0);
    CHECK(stored < sweep.space.size());
  }
}

TEST_CASE("a run that is stopped before it begins stores nothing") {
  const Folder folder;
  const Sweep sweep = tiny();
  CHECK_FALSE(run_some(sweep, {.threads = 2, .prune = false}, folder / "a.db", 0));
  CHECK(ResultStore::read(folder / "a.db").counts().total() == 0);
}

}  // namespace
}  // namespace trainyard
