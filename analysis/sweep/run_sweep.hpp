// Runs the batches of a sweep that a shard owns on several threads and stores each as it finishes.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "analysis/sweep/answer.hpp"
#include "analysis/sweep/batches.hpp"
#include "analysis/sweep/result_store.hpp"
#include "analysis/sweep/shard.hpp"
#include "analysis/sweep/sweep.hpp"
#include "topology/routes.hpp"

namespace trainyard {

struct SweepProgress {
  std::int64_t plans = 0;     // done by this process, dismissed ones included
  std::int64_t excluded = 0;  // of these, those that are no plans of the space (SweepCounts::excluded)
  std::int64_t engine_plans = 0;
  std::int64_t all_plans = 0;   // it has to do
  Seconds elapsed{};            // since its first batch began
  std::optional<Seconds> best;  // step time of the best in the store, earlier runs included
};

struct SweepRun {
  int threads = 1;
  bool prune = true;
  Shard shard = {};
  const std::atomic<bool>* stop = nullptr;                  // set: finish the batches at work, store them, return
  std::function<void(const SweepProgress&)> progress = {};  // called from the caller's thread: before the first batch
                                                            // and after every one
};

std::int64_t batch_count(const Sweep& sweep);

// Which store a run writes. Pruned and unpruned runs have the same answer but for the counts, so each has its own.
StoreIdentity store_identity(const Sweep& sweep, const SweepRun& run,
                             const std::optional<std::string>& profile_file = std::nullopt);
// Whether the run that made a store pruned.
bool pruned(const StoreIdentity& identity);

// Batches that the store has are left out. Returns false if it was stopped before the shard was done. StoreError if the
// store fails; what a thread throws is thrown on when the batches that finished are stored.
bool run_sweep(const Sweep& sweep, const Routes& routes, const SweepRun& run, ResultStore& store);

// The answer from a store that has every batch of the sweep.
SweepAnswer make_answer(const Sweep& sweep, const Routes& routes, const ResultStore& store);
// The same; nothing if it was stopped, which takes as long as the simulation at work.
std::optional<SweepAnswer> make_answer(const Sweep& sweep, const Routes& routes, const ResultStore& store,
                                       const std::atomic<bool>& stop);

}  // namespace trainyard
