// Two kinds of work that run at the same time on every GPU, each on a stream of its own, and the time of each alone and
// beside the other.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "support/check.hpp"

namespace microbench {

// A stream of one GPU with the events that time a batch of work on it.
class Lane {
 public:
  explicit Lane(int device) : device_(device) {
    CHECK_CUDA(cudaSetDevice(device));
    CHECK_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    for (cudaEvent_t* event : {&begin_, &first_, &end_}) CHECK_CUDA(cudaEventCreate(event));
  }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() {
    cudaSetDevice(device_);
    for (cudaEvent_t event : {begin_, first_, end_}) cudaEventDestroy(event);
    cudaStreamDestroy(stream_);
  }
  int device() const { return device_; }
  cudaStream_t stream() const { return stream_; }
  cudaEvent_t begin() const { return begin_; }
  cudaEvent_t first() const { return first_; }  // the first call of the batch is done
  cudaEvent_t end() const { return end_; }

 private:
  int device_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t first_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

struct Side {
  std::vector<const Lane*> lanes;  // one per GPU, in the same order on both sides
  std::function<void()> enqueue;   // one call on every lane
};

inline void record(const Side& side, cudaEvent_t (Lane::*event)() const) {
  for (const Lane* lane : side.lanes) {
    CHECK_CUDA(cudaSetDevice(lane->device()));
    CHECK_CUDA(cudaEventRecord((lane->*event)(), lane->stream()));
  }
}

inline void enqueue_batch(const Side& side, int calls) {
  record(side, &Lane::begin);
  for (int i = 0; i < calls; ++i) {
    side.enqueue();
    if (i == 0) record(side, &Lane::first);
  }
  record(side, &Lane::end);
}

inline void synchronize(const Side& side) {
  for (const Lane* lane : side.lanes) CHECK_CUDA(cudaStreamSynchronize(lane->stream()));
}

inline double elapsed_s(cudaEvent_t from, cudaEvent_t to) {
  float milliseconds = 0;
  CHECK_CUDA(cudaEventElapsedTime(&milliseconds, from, to));
  return static_cast<double>(milliseconds) * 1e-3;
}

// Of one call of the finished batch, on the slowest GPU.
inline double seconds_per_call(const Side& side, int calls) {
  double slowest = 0;
  for (const Lane* lane : side.lanes) slowest = std::max(slowest, elapsed_s(lane->begin(), lane->end()) / calls);
  return slowest;
}

inline double time_alone(const Side& side, int calls) {
  enqueue_batch(side, calls);
  synchronize(side);
  return seconds_per_call(side, calls);
}

inline bool outlasted(const Side& background, const Side& timed) {
  for (size_t i = 0; i < timed.lanes.size(); ++i)
    if (elapsed_s(timed.lanes[i]->end(), background.lanes[i]->end()) < 0) return false;
  return true;
}

// Of a call of `timed` while `background` runs from before its beginning until after its end; nothing where the
// background's calls did not last that long.
inline std::optional<double> time_beside(const Side& timed, int calls, const Side& background, int background_calls) {
  enqueue_batch(background, background_calls);
  for (size_t i = 0; i < timed.lanes.size(); ++i)
    CHECK_CUDA(cudaStreamWaitEvent(timed.lanes[i]->stream(), background.lanes[i]->first(), 0));
  enqueue_batch(timed, calls);
  synchronize(timed);
  synchronize(background);
  if (!outlasted(background, timed)) return std::nullopt;
  return seconds_per_call(timed, calls);
}

}  // namespace microbench
