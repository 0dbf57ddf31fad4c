#include <catch2/catch.hpp>

#include <algorithm>

#include "analysis/sweep/shard.hpp"
#include "tests/analysis/sweep/store_files.hpp"

namespace trainyard::testing {
namespace {

using Catch::Contains;

constexpr std::int64_t batches = 14;

std::string name_of(int shard, int shards) { return fmt::format("results.shard-{}-of-{}.db", shard, shards); }

// A finished shard, or the first `most` of its batches.
std::string shard_store(const StoreFolder& folder, int shard, int shards, std::int64_t most = batches) {
  const std::string path = folder / name_of(shard, shards);
  ResultStore store = ResultStore::open(path, identity(batches, shard, shards));
  for (std::int64_t b = 0; b < batches && most > 0; ++b) {
    if (!owns({shard, shards, ""}, b)) continue;
    store.add(batch(b));
    --most;
  }
  return path;
}

std::vector<std::string> all_shards(const StoreFolder& folder, int shards) {
  std::vector<std::string> paths;
  for (int s = 0; s < shards; ++s) paths.push_back(shard_store(folder, s, shards));
  return paths;
}

TEST_CASE("merged shards answer as one process does, in whatever order they are given") {
  const StoreFolder folder;
  ResultStore single = ResultStore::open(folder / "single.db", identity(batches));
  for (std::int64_t b = 0; b < batches; ++b) single.add(batch(b));
  std::vector<std::string> shards = all_shards(folder, 4);
  merge_stores(shards, folder / "results.db");
  const ResultStore merged = ResultStore::read(folder / "results.db");
  CHECK(merged.counts() == single.counts());
  CHECK(merged.fastest(20) == single.fastest(20));
  CHECK(merged.pareto() == single.pareto());
  CHECK(merged.plans() == single.plans());
  CHECK(merged.identity() == single.identity());
  CHECK(merged.finished_batches() == single.finished_batches());

  std::reverse(shards.begin(), shards.end());
  merge_stores(shards, folder / "again.db");
  CHECK(content(folder / "again.db") == content(folder / "results.db"));
}

TEST_CASE("a merged store is one file that a single process goes on with") {
  const StoreFolder folder;
  const std::vector<std::string> shards = all_shards(folder, 2);
  merge_stores(shards, folder / "results.db");
  CHECK(folder.entries() == 3);
  ResultStore store = ResultStore::open(folder / "results.db", identity(batches));
  store.set_answer("{}");
  CHECK(store.answer() == "{}");
}

TEST_CASE("an earlier merge is replaced, anything else is not") {
  const StoreFolder folder;
  const std::vector<std::string> shards = all_shards(folder, 2);
  merge_stores(shards, folder / "results.db");
  ResultStore::open(folder / "results.db", identity(batches)).set_answer("old");
  merge_stores(shards, folder / "results.db");
  CHECK_FALSE(ResultStore::read(folder / "results.db").answer());

  StoreIdentity other = identity(batches);
  other.sweep_hash = "another";
  { ResultStore::open(folder / "other.db", other); }
  CHECK_THAT(store_error([&] { merge_stores(shards, folder / "other.db"); }), Contains("holds other results"));
  CHECK_THAT(store_error([&] { merge_stores(shards, shards[0]); }), Contains("holds other results"));
  const std::string notes = folder.file("notes.txt", "not results\n");
  CHECK_THAT(store_error([&] { merge_stores(shards, notes); }), Contains("notes.txt"));
  CHECK(content(notes) == "not results\n");
}

TEST_CASE("a target that somebody writes is not replaced") {
  const StoreFolder folder;
  const std::vector<std::string> shards = all_shards(folder, 2);
  const ResultStore writer = ResultStore::open(folder / "results.db", identity(batches));
  CHECK_THAT(store_error([&] { merge_stores(shards, folder / "results.db"); }), Contains("is being written"));
}

TEST_CASE("a missing shard is named with what it lacks, and nothing is written") {
  const StoreFolder folder;
  std::vector<std::string> shards = all_shards(folder, 4);
  shards.erase(shards.begin() + 2);
  // Shard 2 of 4 owns the batches 2, 6 and 10 of 14.
  CHECK_THAT(store_error([&] { merge_stores(shards, folder / "merged.db"); }),
             Contains("3 of 14 batches") && Contains("shard 2 of 4 is missing: 3 batches"));
  CHECK(folder.entries() == 4);
}

TEST_CASE("an unfinished shard is named with how far it is") {
  const StoreFolder folder;
  std::vector<std::string> shards = {shard_store(folder, 0, 2), shard_store(folder, 1, 2, 5)};
  CHECK_THAT(
      store_error([&] { merge_stores(shards, folder / "merged.db"); }),
      Contains("results.shard-1-of-2.db (shard 1 of 2) has 5 of 7 batches") && Contains("run these shards again"));
}

TEST_CASE("of many missing shards the first are named") {
  const StoreFolder folder;
  const std::string error = store_error([&] { merge_stores({shard_store(folder, 0, 14)}, folder / "merged.db"); });
  CHECK_THAT(error, Contains("shard 1 of 14") && Contains("shard 10 of 14") && !Contains("shard 11 of 14") &&
                        Contains("and 3 more"));
}

TEST_CASE("shards without a batch may be missing") {
  const StoreFolder folder;
  std::vector<std::string> shards;
  for (int s = 0; s < batches; ++s) shards.push_back(shard_store(folder, s, 20));
  merge_stores(shards, folder / "results.db");
  CHECK(ResultStore::read(folder / "results.db").plans() == 3 * batches);
}

TEST_CASE("batches in several stores are fine as long as they agree") {
  const StoreFolder folder;
  std::vector<std::string> shards = all_shards(folder, 2);
  const std::vector<std::string> others = all_shards(folder, 3);
  shards.push_back(others[1]);
  shards.push_back(shards[0]);
  merge_stores(shards, folder / "results.db");
  CHECK(ResultStore::read(folder / "results.db").plans() == 3 * batches);
}

TEST_CASE("batches that contradict each other are an error that names the file") {
  const StoreFolder folder;
  std::vector<std::string> shards = all_shards(folder, 2);
  Batch changed = batch(1);
  const bool in_a_plan = GENERATE(true, false);
  if (in_a_plan)
    changed.plans[1].step_time *= 1.0 + 0x1p-52;
  else
    ++changed.counts.infeasible_reasons["tp: heads 96 % 64"];
  { ResultStore::open(folder / name_of(1, 3), identity(batches, 1, 3)).add(changed); }
  shards.push_back(folder / name_of(1, 3));
  CHECK_THAT(store_error([&] { merge_stores(shards, folder / "results.db"); }),
             Contains("results.shard-1-of-3.db: its batch 1 contradicts"));
  CHECK_FALSE(std::filesystem::exists(folder / "results.db"));
}

TEST_CASE("stores of two sweeps or versions are not merged") {
  const StoreFolder folder;
  const std::string first = shard_store(folder, 0, 2);
  StoreIdentity other = identity(batches, 1, 2);
  other.sweep_hash = "another";
  { ResultStore::open(folder / "other.db", other); }
  CHECK_THAT(store_error([&] { merge_stores({first, folder / "other.db"}, folder / "m.db"); }), Contains("two sweeps"));
  StoreIdentity newer = identity(batches, 1, 2);
  newer.version = "2.0.0";
  { ResultStore::open(folder / "newer.db", newer); }
  CHECK_THAT(store_error([&] {
               merge_stores({first, folder / "newer.db"}, folder / "m.db");
             }),
             Contains("1.2.3") && Contains("2.0.0"));
}

TEST_CASE("files that are no shards are refused by name") {
  const StoreFolder folder;
  const std::string first = shard_store(folder, 0, 2);
  CHECK_THAT(store_error([&] { merge_stores({first, folder / "none.db"}, folder / "m.db"); }), Contains("none.db"));
  const std::string text = folder.file("notes.txt", "text");
  CHECK_THAT(store_error([&] { merge_stores({first, text}, folder / "m.db"); }), Contains("notes.txt"));
  CHECK_THAT(store_error([&] { merge_stores({}, folder / "m.db"); }), Contains("no stores"));
}

TEST_CASE("what a killed merge left is cleared away") {
  const StoreFolder folder;
  const std::vector<std::string> shards = all_shards(folder, 2);
  for (const char* rest : {"results.db.merging", "results.db.merging-wal", "results.db.merging-shm", "results.db-wal"})
    folder.file(rest, "rubbish");
  merge_stores(shards, folder / "results.db");
  CHECK(ResultStore::read(folder / "results.db").plans() == 3 * batches);
  CHECK(folder.entries() == 3);
}

TEST_CASE("a sweep without batches merges to an empty store") {
  const StoreFolder folder;
  { ResultStore::open(folder / "a.db", identity(0, 0, 2)); }
  { ResultStore::open(folder / "b.db", identity(0, 1, 2)); }
  merge_stores({folder / "a.db", folder / "b.db"}, folder / "results.db");
  CHECK(ResultStore::read(folder / "results.db").counts() == SweepCounts{});
}

}  // namespace
}  // namespace trainyard::testing
