// reduction: the sum of an array in three ways, from the naive to the usual.
//
//   atomic         every thread adds its element to one word of global memory
//   shared_memory  every block adds a tile in a tree in shared memory, then one atomic operation per block
//   warp_shuffle   every thread adds 16-byte vectors in registers, warps add by shuffles, then one atomic per block
//
// How to read it: bytes_per_s of warp_shuffle should reach the read bandwidth of the memory program; atomic is bound by
// the rate of atomic operations on one address, which the elements over time_s give. The elements are small whole
// numbers, so that the sum is exact in whatever order it is formed.
#include <cuda_runtime.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/buffer.hpp"
#include "support/device.hpp"
#include "support/output.hpp"
#include "support/random.hpp"
#include "support/timing.hpp"
#include "support/verify.hpp"

namespace microbench {
namespace {

constexpr int kThreads = 256;
constexpr int kWarp = 32;
constexpr int kInFlight = 4;  // vectors per thread and iteration
constexpr uint64_t kSeed = 1;

// -4 … 4: sums of 2^30 of them stay, by six standard deviations, below the 2^24 up to which floats count exactly.
__host__ __device__ inline float element(uint64_t index) { return rintf(4 * random_value(kSeed, index)); }

__global__ void fill_kernel(float* data, size_t count) {
  const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride)
    data[i] = element(i);
}

__global__ void __launch_bounds__(kThreads) atomic_kernel(const float* data, size_t count, float* total) {
  const size_t i = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) atomicAdd(total, data[i]);
}

__global__ void __launch_bounds__(kThreads) shared_memory_kernel(const float* data, size_t count, float* total) {
  __shared__ float partial[kThreads];
  const size_t i = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x;
  partial[threadIdx.x] = i < count ? data[i] : 0.0f;
  __syncthreads();
  for (unsigned half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) atomicAdd(total, partial[0]);
}

__device__ inline float warp_sum(float value) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
  return value;
}

__device__ inline float vector_sum(float4 v) { return v.x + v.y + v.z + v.w; }

__global__ void __launch_bounds__(kThreads) warp_shuffle_kernel(const float4* data, size_t vectors, float* total) {
  constexpr size_t kTile = static_cast<size_t>(kThreads) * kInFlight;
  float sum = 0;
  for (size_t tile = blockIdx.x * kTile; tile < vectors; tile += gridDim.x * kTile) {
    float4 held[kInFlight];
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) {
      const size_t at = tile + threadIdx.x + static_cast<size_t>(i) * kThreads;
      held[i] = at < vectors ? __ldcs(data + at) : float4{0, 0, 0, 0};
    }
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) sum += vector_sum(held[i]);
  }
  __shared__ float warp_sums[kThreads / kWarp];
  sum = warp_sum(sum);
  if (threadIdx.x % kWarp == 0) warp_sums[threadIdx.x / kWarp] = sum;
  __syncthreads();
  if (threadIdx.x >= kWarp) return;
  sum = warp_sum(threadIdx.x < kThreads / kWarp ? warp_sums[threadIdx.x] : 0.0f);
  if (threadIdx.x == 0) atomicAdd(total, sum);
}

void launch(const std::string& kernel, const DeviceBuffer<float>& data, size_t count, float* total,
            int multiprocessors) {
  const auto blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  // Enough blocks to fill the device several times over, few enough that the closing atomics do not count.
  const auto resident = static_cast<unsigned>(8 * multiprocessors);
  if (kernel == "atomic") {
    atomic_kernel<<<blocks, kThreads>>>(data.data(), count, total);
  } else if (kernel == "shared_memory") {
    shared_memory_kernel<<<blocks, kThreads>>>(data.data(), count, total);
  } else {
    const auto* vectors = reinterpret_cast<const float4*>(data.data());
    warp_shuffle_kernel<<<resident, kThreads>>>(vectors, count / 4, total);
  }
  CHECK_LAUNCH();
}

double reference(size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += static_cast<double>(element(i));
  return sum;
}

void run_case(const std::string& kernel, const DeviceBuffer<float>& data, size_t count, double want,
              int multiprocessors, const Options& options) {
  const DeviceBuffer<float> total(1);
  CHECK_CUDA(cudaMemset(total.data(), 0, total.bytes()));
  launch(kernel, data, count, total.data(), multiprocessors);
  float got = 0;
  CHECK_CUDA(cudaMemcpy(&got, total.data(), sizeof got, cudaMemcpyDeviceToHost));
  Comparison exact(0);
  exact.add(static_cast<double>(got), want, 1);
  const auto run = [&] { launch(kernel, data, count, total.data(), multiprocessors); };
  const Timing timing = measure(nullptr, run, timing_options(options));
  const size_t bytes = count * sizeof(float);
  Record record("reduction");
  record.add("kernel", kernel).add("elements", count).add("bytes", bytes);
  record.add("bytes_per_s", static_cast<double>(bytes) / timing.median_s);
  add_timing(record, timing);
  add_verification(record, exact.result());
  print(record);
}

}  // namespace
}  // namespace microbench

int main(int argc, char** argv) {
  using namespace microbench;
  const Options options(argc, argv, "microbench reduction: sums of an array\nexample: reduction --elements 1048576",
                        {{"elements", "1048576,16777216,268435456", "list of element counts, multiples of 4"}});
  std::vector<int64_t> counts = options.get_list("elements", 4, int64_t{1} << 30);
  for (const int64_t count : counts)
    if (count % 4 != 0) Options::refuse("elements", std::to_string(count) + " is not a multiple of 4");
  if (options.flag("quick") && !options.given("elements")) counts = {1048576, 16777216};
  const Environment environment = read_environment(select_device(options), "reduction");
  print(environment);
  for (const int64_t elements : counts) {
    const auto count = static_cast<size_t>(elements);
    const DeviceBuffer<float> data(count);
    fill_kernel<<<4096, kThreads>>>(data.data(), count);
    CHECK_LAUNCH();
    const double want = reference(count);
    for (const char* kernel : {"atomic", "shared_memory", "warp_shuffle"})
      run_case(kernel, data, count, want, environment.multiprocessors, options);
  }
  return finish("reduction");
}
