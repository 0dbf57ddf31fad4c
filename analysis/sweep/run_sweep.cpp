#include "analysis/sweep/run_sweep.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <vector>

#include "analysis/sweep/batch_workers.hpp"
#include "analysis/sweep/search.hpp"
#include "analysis/version.hpp"

namespace trainyard {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view unpruned_suffix = "-unpruned";

std::vector<std::int64_t> unfinished(const Sweep& sweep, const Shard& shard, const ResultStore& store) {
  const std::vector<bool> finished = store.finished_batches();
  std::vector<std::int64_t> numbers;
  for (std::int64_t b = 0; b < batch_count(sweep); ++b)
    if (owns(shard, b) && !finished.at(static_cast<std::size_t>(b))) numbers.push_back(b);
  return numbers;
}

// Counts what is stored and tells the caller.
class ProgressCount {
 public:
  ProgressCount(const Sweep& sweep, const SweepRun& run, const std::vector<std::int64_t>& numbers,
                const ResultStore& store)
      : run_(run) {
    for (const std::int64_t b : numbers)
      now_.all_plans += batch_range(sweep.space, b).structures() * sweep.space.variants();
    if (const std::vector<EvaluatedPlan> best = store.fastest(1); !best.empty()) now_.best = best.front().step_time;
    tell();
  }

  void add(const Batch& batch) {
    now_.plans += batch.counts.total();
    now_.excluded += batch.counts.excluded;
    now_.engine_plans += batch.counts.evaluated;
    for (const EvaluatedPlan& plan : batch.plans)
      if (!now_.best || plan.step_time < *now_.best) now_.best = plan.step_time;
    tell();
  }

 private:
  void tell() {
    now_.elapsed = Seconds(std::chrono::duration<double>(Clock::now() - start_).count());
    if (run_.progress) run_.progress(now_);
  }

  const SweepRun& run_;
  Clock::time_point start_ = Clock::now();
  SweepProgress now_;
};

}  // namespace

std::int64_t batch_count(const Sweep& sweep) { return batch_count(sweep.space); }

StoreIdentity store_identity(const Sweep& sweep, const SweepRun& run, const std::optional<std::string>& profile_file) {
  StoreIdentity identity;
  identity.version = version();
  identity.sweep_hash = sweep.hash;
  if (!run.prune) identity.sweep_hash += unpruned_suffix;
  identity.sweep_text = sweep.text;
  identity.sweep_file = sweep.file;
  identity.profile_file = profile_file.value_or("");
  identity.batches = batch_count(sweep);
  identity.shard = run.shard.index;
  identity.shards = run.shard.count;
  return identity;
}

bool pruned(const StoreIdentity& identity) { return !identity.sweep_hash.ends_with(unpruned_suffix); }

bool run_sweep(const Sweep& sweep, const Routes& routes, const SweepRun& run, ResultStore& store) {
  const std::vector<std::int64_t> numbers = unfinished(sweep, run.shard, store);
  if (numbers.empty()) return true;
  const Incumbents incumbents = run.prune ? incumbents_of(search(sweep, routes), sweep.top) : Incumbents{};
  ProgressCount progress(sweep, run, numbers, store);
  const auto threads = std::min<std::int64_t>(std::max(1, run.threads), std::ssize(numbers));
  BatchWorkers workers(sweep, routes, incumbents, numbers, static_cast<int>(threads), run.stop);
  std::int64_t stored = 0;
  for (; std::optional<Batch> batch = workers.next(); ++stored) {
    store.add(*batch);
    progress.add(*batch);
  }
  if (workers.failure()) std::rethrow_exception(workers.failure());
  return stored == std::ssize(numbers);
}

}  // namespace trainyard
