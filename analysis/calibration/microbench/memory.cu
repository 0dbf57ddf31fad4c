// memory: bandwidth of the device's memory for copying, reading, writing and the triad a = b + s c.
//
// The kernels move 16 bytes per instruction, several instructions in flight per thread, with streaming hints; how many
// in flight and how many blocks is best differs between devices, so a few variants are tried and the best is measured.
// "memcpy" is the driver's own device-to-device copy.
//
// How to read it: bytes counts what crosses the memory interface (a copy counts twice its size, the triad three times).
// The rate at large sizes is the bandwidth that a memory-bound kernel can reach, typically 85 to 95 % of the data
// sheet's. At small sizes the time is that of a launch. Reads start from a cold L2 cache; what is written and fits into
// L2 stays there after the kernel has ended, so that small writes can exceed the memory's rate.
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "support/buffer.hpp"
#include "support/device.hpp"
#include "support/output.hpp"
#include "support/pattern.hpp"
#include "support/random.hpp"
#include "support/timing.hpp"
#include "support/verify.hpp"

namespace microbench {
namespace {

constexpr int kThreads = 256;
constexpr uint32_t kWritten = 0x5bd1e995u;
constexpr float kTriadFactor = 0.5f;
constexpr uint64_t kSeedB = 1;
constexpr uint64_t kSeedC = 2;

// A block works on tiles of kThreads x kInFlight vectors. `full_tile(first)` moves one thread's vectors of a whole
// tile, kThreads apart; `element(i)` moves one vector of the last, partial tile.
template <int kInFlight, class FullTile, class Element>
__device__ void for_each_tile(size_t vectors, FullTile full_tile, Element element) {
  constexpr size_t kTile = static_cast<size_t>(kThreads) * kInFlight;
  for (size_t tile = blockIdx.x * kTile; tile < vectors; tile += gridDim.x * kTile) {
    const size_t first = tile + threadIdx.x;
    if (tile + kTile <= vectors) {
      full_tile(first);
    } else {
      for (size_t i = first; i < vectors; i += kThreads) element(i);
    }
  }
}

template <int kInFlight>
__global__ void __launch_bounds__(kThreads) copy_kernel(uint4* to, const uint4* from, size_t vectors) {
  const auto tile = [&](size_t first) {
    uint4 held[kInFlight];
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) held[i] = __ldcs(from + first + i * kThreads);
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) __stcs(to + first + i * kThreads, held[i]);
  };
  for_each_tile<kInFlight>(vectors, tile, [&](size_t i) { to[i] = from[i]; });
}

// The sum of all words is the kernel's only result: one atomic operation per block.
template <int kInFlight>
__global__ void __launch_bounds__(kThreads) read_kernel(uint32_t* total, const uint4* from, size_t vectors) {
  uint32_t sum = 0;
  const auto tile = [&](size_t first) {
    uint4 held[kInFlight];
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) held[i] = __ldcs(from + first + i * kThreads);
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) sum += held[i].x + held[i].y + held[i].z + held[i].w;
  };
  for_each_tile<kInFlight>(vectors, tile, [&](size_t i) { sum += from[i].x + from[i].y + from[i].z + from[i].w; });
  __shared__ uint32_t block_sum;
  if (threadIdx.x == 0) block_sum = 0;
  __syncthreads();
  atomicAdd(&block_sum, sum);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(total, block_sum);
}

template <int kInFlight>
__global__ void __launch_bounds__(kThreads) write_kernel(uint4* to, uint4 value, size_t vectors) {
  const auto tile = [&](size_t first) {
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) __stcs(to + first + i * kThreads, value);
  };
  for_each_tile<kInFlight>(vectors, tile, [&](size_t i) { to[i] = value; });
}

__device__ inline float4 triad(float4 b, float4 c) {
  return {b.x + kTriadFactor * c.x, b.y + kTriadFactor * c.y, b.z + kTriadFactor * c.z, b.w + kTriadFactor * c.w};
}

template <int kInFlight>
__global__ void __launch_bounds__(kThreads) triad_kernel(float4* a, const float4* b, const float4* c, size_t vectors) {
  const auto tile = [&](size_t first) {
    float4 held_b[kInFlight];
    float4 held_c[kInFlight];
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) {
      held_b[i] = __ldcs(b + first + i * kThreads);
      held_c[i] = __ldcs(c + first + i * kThreads);
    }
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) __stcs(a + first + i * kThreads, triad(held_b[i], held_c[i]));
  };
  for_each_tile<kInFlight>(vectors, tile, [&](size_t i) { a[i] = triad(b[i], c[i]); });
}

// The largest traffic's buffer; smaller cases use its beginning, the operands one behind the other.
struct Traffic {
  uint4* memory;
  uint32_t* total;  // result of read_kernel
  size_t vectors;   // of one operand
};

using Launch = std::function<void()>;

template <int kInFlight>
Launch launch_of(const std::string& kernel, const Traffic& traffic, unsigned blocks) {
  uint4* first = traffic.memory;
  uint4* second = first + traffic.vectors;
  const size_t vectors = traffic.vectors;
  if (kernel == "copy") return [=] { copy_kernel<kInFlight><<<blocks, kThreads>>>(second, first, vectors); };
  if (kernel == "read") return [=] { read_kernel<kInFlight><<<blocks, kThreads>>>(traffic.total, first, vectors); };
  if (kernel == "write") {
    const uint4 value = {kWritten, kWritten, kWritten, kWritten};
    return [=] { write_kernel<kInFlight><<<blocks, kThreads>>>(first, value, vectors); };
  }
  float4* a = reinterpret_cast<float4*>(first);
  return [=] { triad_kernel<kInFlight><<<blocks, kThreads>>>(a, a + vectors, a + 2 * vectors, vectors); };
}

// One tile per block, and grids that stay on the device and walk over the tiles.
template <int kInFlight>
void add_variants(std::vector<Launch>& variants, const std::string& kernel, const Traffic& traffic,
                  int multiprocessors) {
  constexpr size_t kTile = static_cast<size_t>(kThreads) * kInFlight;
  const size_t tiles = (traffic.vectors + kTile - 1) / kTile;
  variants.push_back(launch_of<kInFlight>(kernel, traffic, static_cast<unsigned>(tiles)));
  for (const size_t blocks_each : {4, 8}) {
    const size_t blocks = blocks_each * static_cast<size_t>(multiprocessors);
    if (blocks < tiles) variants.push_back(launch_of<kInFlight>(kernel, traffic, static_cast<unsigned>(blocks)));
  }
}

std::vector<Launch> variants_of(const std::string& kernel, const Traffic& traffic, int multiprocessors) {
  std::vector<Launch> variants;
  if (kernel == "memcpy") {
    uint4* from = traffic.memory;
    const size_t vectors = traffic.vectors;
    variants.push_back([=] {
      CHECK_CUDA(cudaMemcpyAsync(from + vectors, from, vectors * sizeof(uint4), cudaMemcpyDeviceToDevice, nullptr));
    });
    return variants;
  }
  add_variants<1>(variants, kernel, traffic, multiprocessors);
  add_variants<4>(variants, kernel, traffic, multiprocessors);
  add_variants<8>(variants, kernel, traffic, multiprocessors);
  return variants;
}

Launch fastest(const std::vector<Launch>& variants) {
  if (variants.size() == 1) return variants.front();
  TimingOptions brief;
  brief.min_samples = 5;
  brief.max_samples = 10;
  brief.max_seconds = 0.1;
  brief.warm_up_seconds = 0;
  size_t best = 0;
  double best_s = HUGE_VAL;
  for (size_t i = 0; i < variants.size(); ++i) {
    const double time_s = measure(nullptr, variants[i], brief).median_s;
    if (time_s < best_s) best = i;
    best_s = std::min(best_s, time_s);
  }
  return variants[best];
}

bool moves_pattern(const std::string& kernel) { return kernel == "copy" || kernel == "memcpy" || kernel == "read"; }

void prepare(const std::string& kernel, const Traffic& traffic) {
  const size_t words = traffic.vectors * sizeof(uint4) / sizeof(uint32_t);
  uint32_t* first = reinterpret_cast<uint32_t*>(traffic.memory);
  CHECK_CUDA(cudaMemset(traffic.total, 0, sizeof(uint32_t)));
  if (moves_pattern(kernel)) fill_pattern(first, words);
  if (kernel == "copy" || kernel == "memcpy") poison(first + words, words * sizeof(uint32_t));
  if (!moves_pattern(kernel)) poison(first, words * sizeof(uint32_t));
  if (kernel != "triad") return;
  fill_random(reinterpret_cast<float*>(first + words), words, kSeedB);
  fill_random(reinterpret_cast<float*>(first + 2 * words), words, kSeedC);
}

Verification verify_triad(const float* a, size_t count) {
  Comparison comparison(2 * unit_roundoff(DataType::fp32));  // a product and a sum
  const auto indices = sample_indices(static_cast<int64_t>(count), 4096);
  const auto values = read_elements(a, indices);
  for (size_t i = 0; i < indices.size(); ++i) {
    const auto index = static_cast<uint64_t>(indices[i]);
    const double want = random_element<float>(kSeedB, index) + kTriadFactor * random_element<float>(kSeedC, index);
    comparison.add(values[i], want, 1);
  }
  comparison.require(count_not_finite(a, count) == 0);
  return comparison.result();
}

Verification verify(const std::string& kernel, const Traffic& traffic) {
  const size_t words = traffic.vectors * sizeof(uint4) / sizeof(uint32_t);
  const uint32_t* first = reinterpret_cast<const uint32_t*>(traffic.memory);
  if (kernel == "triad") return verify_triad(reinterpret_cast<const float*>(first), words);
  Comparison exact(0);
  if (kernel == "read") {
    uint32_t total = 0;
    CHECK_CUDA(cudaMemcpy(&total, traffic.total, sizeof total, cudaMemcpyDeviceToHost));
    exact.add(total, pattern_sum(words), 1);
  } else if (kernel == "write") {
    const auto indices = sample_indices(static_cast<int64_t>(words), 4096);
    for (const double value : read_elements(first, indices)) exact.add(value, static_cast<float>(kWritten), 1);
  } else {
    exact.add(static_cast<double>(count_pattern_errors(first + words, words)), 0, 1);
  }
  return exact.result();
}

void run_case(const std::string& kernel, int64_t traffic_bytes, const DeviceBuffer<uint4>& memory, uint32_t* total,
              int multiprocessors, const Options& options) {
  const int64_t operands = kernel == "triad" ? 3 : kernel == "read" || kernel == "write" ? 1 : 2;
  const int64_t vectors = traffic_bytes / operands / static_cast<int64_t>(sizeof(uint4));
  const Traffic traffic{memory.data(), total, static_cast<size_t>(vectors)};
  prepare(kernel, traffic);
  const Launch launch = fastest(variants_of(kernel, traffic, multiprocessors));
  prepare(kernel, traffic);
  launch();
  CHECK_LAUNCH();
  const Verification verification = verify(kernel, traffic);
  const Timing timing = measure(nullptr, launch, timing_options(options));
  const int64_t bytes = vectors * operands * static_cast<int64_t>(sizeof(uint4));
  Record record("memory");
  record.add("kernel", kernel).add("bytes", bytes);
  record.add("bytes_per_s", static_cast<double>(bytes) / timing.median_s);
  add_timing(record, timing);
  add_verification(record, verification);
  print(record);
}

}  // namespace
}  // namespace microbench

int main(int argc, char** argv) {
  using namespace microbench;
  const std::string kernels = "copy,read,write,triad,memcpy";
  const Options options(argc, argv, "microbench memory: bandwidth of device memory\nexample: memory --max-bytes 1G",
                        {{"kernels", kernels, "list of kernels to measure"},
                         {"min-bytes", "64K", "smallest traffic"},
                         {"max-bytes", "4G", "largest traffic"},
                         {"factor", "4", "between one traffic and the next"}});
  const auto chosen = options.get_words("kernels", {"copy", "read", "write", "triad", "memcpy"});
  const int64_t smallest = options.get_bytes("min-bytes", 1024, int64_t{1} << 40);
  int64_t largest = options.get_bytes("max-bytes", smallest, int64_t{1} << 40);
  if (options.flag("quick") && !options.given("max-bytes")) largest = std::max(smallest, int64_t{256} << 20);
  const int64_t factor = options.get_int("factor", 2, 1024);
  const int device = select_device(options);
  const Environment environment = read_environment(device, "memory");
  print(environment);
  const DeviceBuffer<uint4> memory(static_cast<size_t>(largest) / sizeof(uint4));
  const DeviceBuffer<uint32_t> total(1);
  for (const std::string& kernel : chosen)
    for (int64_t bytes = smallest; bytes <= largest; bytes *= factor)
      run_case(kernel, bytes, memory, total.data(), environment.multiprocessors, options);
  return finish("memory");
}
