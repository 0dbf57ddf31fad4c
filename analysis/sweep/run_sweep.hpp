// Runs the batches of a sweep that a shard owns on several threads and stores each as it finishes.
#pragma once

#include <atomic>
#include <functional>

#include "analysis/sweep/answer.hpp"
#include "analysis/sweep/result_store.hpp"
#include "analysis/sweep/shard.hpp"
#include "analysis/sweep/sweep.hpp"

namespace trainyard {

struct SweepProgress {
  std::int64_t plans = 0;  // done by this process, dismissed ones included
  std::int64_t engine_plans = 0;
  std::int64_t all_plans = 0;  // it has to do
  Seconds elapsed{};
  std::optional<Seconds> best;
};

struct SweepRun {
  int threads = 1;
  bool prune = true;
  Shard shard;
  const std::atomic<bool>* stop = nullptr;                  // set: finish the batches at work, store them, return
  std::function<void(const SweepProgress&)> progress = {};  // called from one thread, after every batch
};

std::int64_t batch_count(const Sweep& sweep);

// Batches that the store has are left out. Returns false if it was stopped. StoreError if the store fails.
bool run_sweep(const Sweep& sweep, const Routes& routes, const SweepRun& run, ResultStore& store);

// The answer from a store that has every batch of the sweep.
SweepAnswer make_answer(const Sweep& sweep, const Routes& routes, const ResultStore& store);

}  // namespace trainyard
