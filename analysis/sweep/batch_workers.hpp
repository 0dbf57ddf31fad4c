// Threads that evaluate batches side by side and hand them over as they finish.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "analysis/sweep/evaluate.hpp"

namespace trainyard {

// Memory does not grow with the number of batches: a thread waits while `most_waiting` finished ones are not taken yet.
class BatchWorkers {
 public:
  // Batches are begun in the order of `numbers`. All but the number of threads is kept by reference. At least one
  // thread; if the system gives fewer than wanted, those do the work.
  BatchWorkers(const Sweep& sweep, const Routes& routes, const Incumbents& incumbents,
               const std::vector<std::int64_t>& numbers, int threads, const std::atomic<bool>* stop);
  ~BatchWorkers();  // batches at work are finished and thrown away
  BatchWorkers(const BatchWorkers&) = delete;
  BatchWorkers& operator=(const BatchWorkers&) = delete;

  // The next finished batch; nothing when all are taken, or, after `stop` or an exception of a thread, all that had
  // been begun.
  std::optional<Batch> next();
  // What a thread threw first.
  std::exception_ptr failure() const;

 private:
  void start(int threads);
  void work();
  void evaluate_all(Evaluator& evaluator);
  std::optional<std::int64_t> begin_batch();
  void hand_over(Batch batch);

  const Sweep& sweep_;
  const Routes& routes_;
  const Incumbents& incumbents_;
  const std::vector<std::int64_t>& numbers_;
  const std::atomic<bool>* stop_;
  std::size_t most_waiting_;
  std::shared_ptr<Skeletons> skeletons_;  // of all threads

  mutable std::mutex mutex_;
  std::condition_variable finished_, taken_;
  std::size_t begun_ = 0;  // of numbers_
  bool cancelled_ = false;
  int working_ = 0;
  std::deque<Batch> waiting_;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace trainyard
