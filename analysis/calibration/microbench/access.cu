// access: what reading every stride-th 4-byte word costs, against reading neighbouring words.
//
// The same number of words is read each time; only their distance grows.
//
// How to read it: bytes counts the requested words alone. Memory moves sectors of 32 bytes, so bytes_per_s falls as
// 1 / stride up to 8 words; beyond that every word brings a sector of its own, and what still changes is how DRAM pages
// and address translation take it.
#include <cuda_runtime.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/buffer.hpp"
#include "support/device.hpp"
#include "support/output.hpp"
#include "support/pattern.hpp"
#include "support/timing.hpp"
#include "support/verify.hpp"

namespace microbench {
namespace {

constexpr int kThreads = 256;
constexpr int kInFlight = 8;  // independent loads per thread

// Neighbouring threads read words `stride` apart; the sum of all words is the result.
__global__ void __launch_bounds__(kThreads)
    read_kernel(const uint32_t* words, size_t count, size_t stride, uint32_t* total) {
  constexpr size_t kTile = static_cast<size_t>(kThreads) * kInFlight;
  uint32_t sum = 0;
  for (size_t tile = blockIdx.x * kTile; tile < count; tile += gridDim.x * kTile) {
    uint32_t held[kInFlight];
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) {
      const size_t at = tile + threadIdx.x + static_cast<size_t>(i) * kThreads;
      held[i] = at < count ? __ldcs(words + at * stride) : 0;
    }
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) sum += held[i];
  }
  __shared__ uint32_t block_sum;
  if (threadIdx.x == 0) block_sum = 0;
  __syncthreads();
  atomicAdd(&block_sum, sum);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(total, block_sum);
}

void run_case(const DeviceBuffer<uint32_t>& words, size_t count, size_t stride, int multiprocessors,
              const Options& options) {
  const DeviceBuffer<uint32_t> total(1);
  const auto blocks = static_cast<unsigned>(8 * multiprocessors);
  const auto run = [&] {
    read_kernel<<<blocks, kThreads>>>(words.data(), count, stride, total.data());
    CHECK_LAUNCH();
  };
  CHECK_CUDA(cudaMemset(total.data(), 0, total.bytes()));
  run();
  uint32_t got = 0;
  CHECK_CUDA(cudaMemcpy(&got, total.data(), sizeof got, cudaMemcpyDeviceToHost));
  Comparison exact(0);
  exact.add(got, pattern_sum(count, stride), 1);
  const Timing timing = measure(nullptr, run, timing_options(options));
  const size_t bytes = count * sizeof(uint32_t);
  Record record("access");
  record.add("kernel", stride == 1 ? "coalesced" : "strided").add("stride", stride).add("bytes", bytes);
  record.add("bytes_per_s", static_cast<double>(bytes) / timing.median_s);
  add_timing(record, timing);
  add_verification(record, exact.result());
  print(record);
}

}  // namespace
}  // namespace microbench

int main(int argc, char** argv) {
  using namespace microbench;
  const Options options(argc, argv, "microbench access: coalesced against strided reads\nexample: access --strides 1,8",
                        {{"strides", "1,2,3,4,6,8,12,16,24,32,48,64", "list of strides in words of 4 bytes"},
                         {"words", "16777216", "words to read"}});
  const std::vector<int64_t> strides = options.get_list("strides", 1, 65536);
  int64_t count = options.get_int("words", 1, int64_t{1} << 30);
  if (options.flag("quick") && !options.given("words")) count = 1 << 22;
  int64_t widest = 1;
  for (const int64_t stride : strides) widest = std::max(widest, stride);
  const Environment environment = read_environment(select_device(options), "access");
  print(environment);
  const DeviceBuffer<uint32_t> words(static_cast<size_t>(count * widest));
  fill_pattern(words.data(), words.size());
  for (const int64_t stride : strides)
    run_case(words, static_cast<size_t>(count), static_cast<size_t>(stride), environment.multiprocessors, options);
  return finish("access");
}
