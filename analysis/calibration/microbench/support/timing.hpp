// How a kernel is timed, after NVIDIA's nvbench: warm-up; then samples, before each of which the L2 cache is emptied
// and the stream is held by a spinning kernel until everything has been enqueued, so that neither a warm cache nor the
// host's launch time enters; CUDA events around the launch; as many samples as it takes for the mean to be known.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "buffer.hpp"
#include "check.hpp"
#include "options.hpp"
#include "output.hpp"
#include "statistics.hpp"

namespace microbench {

struct TimingOptions {
  int min_samples = 10;
  int max_samples = 200;
  double max_seconds = 2;         // wall clock, warm-up not counted
  double wanted_noise = 0.01;     // relative standard error of the trimmed mean
  double warm_up_seconds = 0.02;  // at least one launch; lets an idle device raise its clocks
  bool flush_l2 = true;
  // Hold the stream while the launch is enqueued. Off for a launch that itself waits for the stream (a pageable copy).
  bool block = true;
};

struct Timing {
  double median_s = 0;
  double spread = 0;  // (90th - 10th percentile) / median
  int samples = 0;
  bool converged = false;  // the wanted noise was reached
};

// --quick: a fifth of a second for each measurement.
inline TimingOptions timing_options(const Options& options) {
  TimingOptions timing;
  if (!options.flag("quick")) return timing;
  timing.max_samples = 30;
  timing.max_seconds = 0.2;
  return timing;
}

inline Timing summarise(std::vector<double> samples_s, const TimingOptions& options) {
  std::sort(samples_s.begin(), samples_s.end());
  Timing timing;
  timing.samples = static_cast<int>(samples_s.size());
  timing.median_s = quantile(samples_s, 0.5);
  timing.spread = timing.median_s > 0 ? (quantile(samples_s, 0.9) - quantile(samples_s, 0.1)) / timing.median_s : 0;
  timing.converged = relative_standard_error(samples_s) <= options.wanted_noise;
  return timing;
}

inline void add_timing(Record& record, const Timing& timing) {
  record.add("time_s", timing.median_s).add("spread", timing.spread);
  record.add("samples", timing.samples).add("converged", timing.converged);
}

// Spins until the host sets *release. The limit is on the device, so a host that waits for this stream by mistake gets
// a slow sample, not a hang.
static __global__ void hold_stream(const volatile int* release, volatile int* expired, uint64_t limit_ns) {
  uint64_t begin = 0;
  uint64_t now = 0;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(begin));
  do {
    if (*release != 0) return;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  } while (now - begin < limit_ns);
  *expired = 1;
}

// Reads a buffer; the condition never holds on the zeros in it but keeps the loads.
static __global__ void read_through(const uint4* data, size_t count, unsigned* sink) {
  const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
  unsigned sum = 0;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride)
    sum |= data[i].x | data[i].y | data[i].z | data[i].w;
  if (sum != 0) *sink = sum;
}

// Empties the L2 cache: writes twice its size, which evicts everything else, then reads the same twice its size, which
// writes the dirty lines back; otherwise the timed kernel would pay for writing them back.
class CacheFlush {
 public:
  CacheFlush() : sink_(1) {
    int device = 0;
    int l2_bytes = 0;
    CHECK_CUDA(cudaGetDevice(&device));
    CHECK_CUDA(cudaDeviceGetAttribute(&l2_bytes, cudaDevAttrL2CacheSize, device));
    CHECK_CUDA(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, device));
    buffer_ = DeviceBuffer<uint4>(2 * static_cast<size_t>(l2_bytes) / sizeof(uint4));
  }
  void enqueue(cudaStream_t stream) const {
    if (buffer_.size() == 0) return;
    CHECK_CUDA(cudaMemsetAsync(buffer_.data(), 0, buffer_.bytes(), stream));
    read_through<<<8 * multiprocessors_, 256, 0, stream>>>(buffer_.data(), buffer_.size(), sink_.data());
    CHECK_LAUNCH();
  }

 private:
  int multiprocessors_ = 1;
  DeviceBuffer<uint4> buffer_;
  DeviceBuffer<unsigned> sink_;
};

// Takes single samples on one stream.
class Stopwatch {
 public:
  explicit Stopwatch(cudaStream_t stream, bool block) : stream_(stream), block_(block), flags_(2) {
    CHECK_CUDA(cudaEventCreate(&begin_));
    CHECK_CUDA(cudaEventCreate(&end_));
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }

  // Seconds between the events around `enqueue_work`; waits for the stream.
  template <class Enqueue>
  double sample(Enqueue&& enqueue_work) {
    hold();
    CHECK_CUDA(cudaEventRecord(begin_, stream_));
    enqueue_work();
    CHECK_CUDA(cudaEventRecord(end_, stream_));
    release();
    CHECK_CUDA(cudaEventSynchronize(end_));
    warn_if_expired();
    float milliseconds = 0;
    CHECK_CUDA(cudaEventElapsedTime(&milliseconds, begin_, end_));
    return milliseconds * 1e-3;
  }

 private:
  static constexpr uint64_t kLimitNs = 2'000'000'000;
  volatile int* released() const { return flags_.data(); }
  volatile int* expired() const { return flags_.data() + 1; }

  void hold() {
    *released() = 0;
    *expired() = 0;
    if (!block_) return;
    hold_stream<<<1, 1, 0, stream_>>>(released(), expired(), kLimitNs);
    CHECK_LAUNCH();
  }
  void release() { *released() = 1; }
  void warn_if_expired() {
    if (*expired() == 0) return;
    std::fprintf(stderr, "timing: the launch waits for its own stream; samples now include the host's launch time\n");
    block_ = false;
  }

  cudaStream_t stream_;
  bool block_;
  PinnedBuffer<int> flags_;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

inline double host_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class Launch>
void warm_up(cudaStream_t stream, Launch&& launch, const TimingOptions& options) {
  const double begin = host_seconds();
  do {
    launch();
    CHECK_CUDA(cudaStreamSynchronize(stream));
  } while (host_seconds() - begin < options.warm_up_seconds);
}

// Time of one of `launches` launches in a row: for work too short for an event (which resolves about half a
// microsecond). From the second launch on the caches are warm.
template <class Launch>
Timing measure_batch(cudaStream_t stream, int launches, Launch&& launch, const TimingOptions& options = {}) {
  // The stream's queue holds about a thousand launches; a held stream with a full queue would block the host.
  constexpr int kLaunchesInQueue = 500;
  const CacheFlush flush;
  Stopwatch stopwatch(stream, options.block && launches <= kLaunchesInQueue);
  warm_up(stream, launch, options);
  std::vector<double> samples_s;
  const double begin = host_seconds();
  while (static_cast<int>(samples_s.size()) < options.max_samples) {
    if (options.flush_l2) flush.enqueue(stream);
    const double sample_s = stopwatch.sample([&] {
      for (int i = 0; i < launches; ++i) launch();
    });
    samples_s.push_back(sample_s / launches);
    if (static_cast<int>(samples_s.size()) < options.min_samples) continue;
    if (host_seconds() - begin > options.max_seconds || summarise(samples_s, options).converged) break;
  }
  return summarise(std::move(samples_s), options);
}

// Time of one launch, which may enqueue several kernels on `stream`.
template <class Launch>
Timing measure(cudaStream_t stream, Launch&& launch, const TimingOptions& options = {}) {
  return measure_batch(stream, 1, launch, options);
}

}  // namespace microbench
