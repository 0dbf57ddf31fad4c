#include "analysis/sweep/batch_workers.hpp"

#include <exception>
#include <utility>

#include "analysis/sweep/batches.hpp"
#include "analysis/sweep/skeleton.hpp"

namespace trainyard {

BatchWorkers::BatchWorkers(const Sweep& sweep, const Routes& routes, const Incumbents& incumbents,
                           const std::vector<std::int64_t>& numbers, int threads, const std::atomic<bool>* stop)
    : sweep_(sweep),
      routes_(routes),
      incumbents_(incumbents),
      numbers_(numbers),
      stop_(stop),
      most_waiting_(2 * static_cast<std::size_t>(threads)),
      skeletons_(std::make_shared<Skeletons>()) {
  start(threads);
}

BatchWorkers::~BatchWorkers() {
  {
    const std::scoped_lock lock(mutex_);
    cancelled_ = true;
  }
  taken_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void BatchWorkers::start(int threads) {
  threads_.reserve(static_cast<std::size_t>(threads));
  const std::scoped_lock lock(mutex_);  // no thread is done before all are counted
  for (int i = 0; i < threads; ++i) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::exception&) {
      if (threads_.empty()) throw;
      return;
    }
    ++working_;
  }
}

void BatchWorkers::work() {
  std::exception_ptr failure;
  try {
    Evaluator evaluator(sweep_, routes_, skeletons_);
    evaluate_all(evaluator);
  } catch (...) {
    failure = std::current_exception();
  }
  const std::scoped_lock lock(mutex_);
  if (failure && !failure_) failure_ = failure;
  --working_;
  finished_.notify_all();
}

void BatchWorkers::evaluate_all(Evaluator& evaluator) {
  while (const std::optional<std::int64_t> number = begin_batch()) {
    const BatchRange range = batch_range(sweep_.space, *number);
    hand_over(evaluator.evaluate(*number, range.first, range.last, incumbents_));
  }
}

std::optional<std::int64_t> BatchWorkers::begin_batch() {
  const std::scoped_lock lock(mutex_);
  const bool stopped = cancelled_ || failure_ || (stop_ != nullptr && stop_->load());
  if (stopped || begun_ == numbers_.size()) return std::nullopt;
  return numbers_[begun_++];
}

void BatchWorkers::hand_over(Batch batch) {
  std::unique_lock lock(mutex_);
  taken_.wait(lock, [&] { return cancelled_ || waiting_.size() < most_waiting_; });
  waiting_.push_back(std::move(batch));
  finished_.notify_all();
}

std::optional<Batch> BatchWorkers::next() {
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [&] { return !waiting_.empty() || working_ == 0; });
  if (waiting_.empty()) return std::nullopt;
  Batch batch = std::move(waiting_.front());
  waiting_.pop_front();
  taken_.notify_one();
  return batch;
}

std::exception_ptr BatchWorkers::failure() const {
  const std::scoped_lock lock(mutex_);
  return failure_;
}

}  // namespace trainyard
