#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <random>

#include "tests/analysis/sweep/store_files.hpp"

namespace trainyard::testing {
namespace {

std::vector<PlanIndex> indices(const std::vector<EvaluatedPlan>& plans) {
  std::vector<PlanIndex> result;
  for (const EvaluatedPlan& p : plans) result.push_back(p.index);
  return result;
}

using Indices = std::vector<PlanIndex>;

Batch of_plans(std::int64_t number, std::vector<EvaluatedPlan> plans) {
  return {.number = number, .counts = {}, .plans = std::move(plans)};
}

TEST_CASE("a batch comes back as it was stored, also from another process's view of the file") {
  const StoreFolder folder;
  ResultStore store = ResultStore::open(folder / "results.db", identity(4));
  store.add(batch(2));
  CHECK(store.batch(2) == batch(2));
  CHECK(ResultStore::read(folder / "results.db").batch(2) == batch(2));
}

TEST_CASE("numbers and texts that are hard to write come back bit by bit") {
  EvaluatedPlan hard = plan(std::numeric_limits<PlanIndex>::max(), 0.1 + 0.2, 0x1.fffffffffffffp52);
  hard.mfu = std::numeric_limits<double>::denorm_min();
  hard.reserved = Bytes(std::numeric_limits<double>::max());
  hard.key = std::string("it's \"tp\"; -- \xc3\xa9\n\0 end", 23);
  const StoreFolder folder;
  ResultStore store = ResultStore::open(folder / "results.db", identity(1));
  store.add(of_plans(0, {hard}));
  CHECK(store.fastest(1) == std::vector<EvaluatedPlan>{hard});
}

TEST_CASE("a new store is empty, and its questions have answers") {
  const StoreFolder folder;
  const ResultStore store = ResultStore::open(folder / "results.db", identity(3));
  CHECK(store.counts() == SweepCounts{});
  CHECK(store.fastest(5).empty());
  CHECK(store.pareto().empty());
  CHECK(store.plans() == 0);
  CHECK(store.finished_batches() == std::vector<bool>(3, false));
  CHECK_FALSE(store.answer());
  CHECK(store.identity() == identity(3));
}

TEST_CASE("counts are the sums over batches, reasons each by itself") {
  const StoreFolder folder;
  ResultStore store = ResultStore::open(folder / "results.db", identity(3));
  SweepCounts sum;
  for (const std::int64_t number : {2, 0, 1}) {
    store.add(batch(number));
    sum += batch(number).counts;
  }
  CHECK(store.counts() == sum);
  CHECK(store.plans() == 9);
}

TEST_CASE("the fastest come by step time, equals by their index") {
  const StoreFolder folder;
  ResultStore store = ResultStore::open(folder / "results.db", identity(2));
  store.add(of_plans(1, {plan(30, 2.0, 1), plan(40, 1.0, 1), plan(50, 3.0, 1)}));
  store.add(of_plans(0, {plan(10, 2.0, 1), plan(20, 4.0, 1)}));
  CHECK(indices(store.fastest(3)) == Indices{40, 10, 30});
  CHECK(indices(store.fastest(99)) == Indices{40, 10, 30, 50, 20});
  CHECK(store.fastest(0).empty());
  CHECK(store.fastest(-1).empty());
}

TEST_CASE("the front rises in time and falls in memory, of equals the least index stands") {
  const StoreFolder folder;
  ResultStore store = ResultStore::open(folder / "results.db", identity(2));
  // 5 and 3 are equal; 6 is as fast as they are but larger; 7 is as small as 2 but slower.
  store.add(of_plans(1, {plan(5, 1.0, 90), plan(6, 1.0, 95), plan(7, 3.0, 40), plan(8, 9.0, 10)}));
  store.add(of_plans(0, {plan(1, 2.0, 95), plan(2, 2.0, 40), plan(3, 1.0, 90)}));
  CHECK(indices(store.pareto()) == Indices{3, 2, 8});
}

TEST_CASE("the front is that of comparing every plan with every other") {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> grid(1, 40);  // coarse, so that there are equals
  std::vector<EvaluatedPlan> plans;
  for (PlanIndex i = 0; i < 400; ++i) plans.push_back(plan(i, grid(random), grid(random)));
  Indices expected;
  for (const EvaluatedPlan& a : plans) {
    const bool beaten = std::any_of(plans.begin(), plans.end(), [&](const EvaluatedPlan& b) {
      const bool as_good = b.step_time <= a.step_time && b.peak <= a.peak;
      const bool same = b.step_time == a.step_time && b.peak == a.peak;
      return as_good && (!same || b.index < a.index);
    });
    if (!beaten) expected.push_back(a.index);
  }
  std::sort(expected.begin(), expected.end(), [&](PlanIndex a, PlanIndex b) {
    return plans[static_cast<std::size_t>(a)].step_time < plans[static_cast<std::size_t>(b)].step_time;
  });
  const StoreFolder folder;
  ResultStore store = ResultStore::open(folder / "results.db", identity(1));
  store.add(of_plans(0, plans));
  CHECK(indices(store.pareto()) == expected);
}

TEST_CASE("a store is continued where it was left") {
  const StoreFolder folder;
  ResultStore::open(folder / "results.db", identity(4)).add(batch(1));
  ResultStore again = ResultStore::open(folder / "results.db", identity(4));
  CHECK(again.finished_batches() == std::vector<bool>{false, true, false, false});
  again.add(batch(3));
  again.set_answer("{\"first\": 1}");
  again.set_answer("{\"second\": 2}");
  CHECK(ResultStore::read(folder / "results.db").answer() == "{\"second\": 2}");
  CHECK(again.finished_batches() == std::vector<bool>{false, true, false, true});
}

TEST_CASE("a sweep whose files have moved is the same sweep, and the store knows where they are now") {
  const StoreFolder folder;
  ResultStore::open(folder / "results.db", identity(1)).add(batch(0));
  StoreIdentity moved = identity(1);
  moved.sweep_file = "/elsewhere/sweep.yaml";
  CHECK(ResultStore::open(folder / "results.db", moved).plans() == 3);
  CHECK(ResultStore::read(folder / "results.db").identity() == moved);
}

TEST_CASE("a closed store is one file") {
  const StoreFolder folder;
  ResultStore::open(folder / "results.db", identity(1)).add(batch(0));
  CHECK(folder.entries() == 1);
}

TEST_CASE("a reader sees batches while the writer goes on") {
  const StoreFolder folder;
  ResultStore writer = ResultStore::open(folder / "results.db", identity(2));
  writer.add(batch(0));
  const ResultStore reader = ResultStore::read(folder / "results.db");
  CHECK(reader.plans() == 3);
  writer.add(batch(1));
  CHECK(reader.plans() == 6);
}

TEST_CASE("strange names of files are names of files") {
  const StoreFolder folder;
  for (const char* name : {":memory:", "file:x?mode=memory", "a b'c\"d%41#?.db", "new\nline.db"}) {
    CAPTURE(name);
    ResultStore::open(folder / name, identity(1)).add(batch(0));
    CHECK(std::filesystem::is_regular_file(folder / name));
    CHECK(ResultStore::read(folder / name).plans() == 3);
  }
}

TEST_CASE("a batch that fails leaves nothing of itself, and the store goes on") {
  const StoreFolder folder;
  ResultStore store = ResultStore::open(folder / "results.db", identity(2));
  Batch broken = batch(0);
  broken.plans.back().step_time = Seconds(std::numeric_limits<double>::quiet_NaN());
  CHECK_THAT(store_error([&] { store.add(broken); }), Catch::Contains("step_time_s"));
  CHECK(store.plans() == 0);
  CHECK(store.counts() == SweepCounts{});
  store.add(batch(0));
  CHECK(store.batch(0) == batch(0));
}

}  // namespace
}  // namespace trainyard::testing
