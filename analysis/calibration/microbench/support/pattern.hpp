// 32-bit words with contents whose sum is known in closed form, so that a read of any size is checked exactly and
// without a reference on the host.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "buffer.hpp"
#include "check.hpp"

namespace microbench {

// Knuth's multiplicative hash: odd, so all bits of the words vary.
constexpr uint32_t kPatternFactor = 2654435761u;

__host__ __device__ inline uint32_t pattern_word(uint64_t index) {
  return kPatternFactor * static_cast<uint32_t>(index);
}

// Sum modulo 2^32 of the words 0, stride, 2 stride … (count of them).
inline uint32_t pattern_sum(uint64_t count, uint64_t stride = 1) {
  const uint64_t pairs = count % 2 == 0 ? count / 2 * (count - 1) : (count - 1) / 2 * count;
  return static_cast<uint32_t>(kPatternFactor * pairs * stride);
}

template <class Word>  // a template only so that programs that do not use it do not carry it
__global__ void fill_pattern_kernel(Word* words, size_t count) {
  const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride)
    words[i] = pattern_word(i);
}

template <class Word>
__global__ void count_pattern_errors_kernel(const Word* words, size_t count, unsigned long long* errors) {
  const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
  unsigned long long mine = 0;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride)
    mine += words[i] == pattern_word(i) ? 0 : 1;
  if (mine > 0) atomicAdd(errors, mine);
}

inline void fill_pattern(uint32_t* words, size_t count) {
  fill_pattern_kernel<<<4096, 256>>>(words, count);
  CHECK_LAUNCH();
}

// How many of the words differ from the pattern, after all work of the device.
inline int64_t count_pattern_errors(const uint32_t* words, size_t count) {
  const DeviceBuffer<unsigned long long> errors(1);
  CHECK_CUDA(cudaDeviceSynchronize());
  CHECK_CUDA(cudaMemset(errors.data(), 0, errors.bytes()));
  count_pattern_errors_kernel<<<4096, 256>>>(words, count, errors.data());
  CHECK_LAUNCH();
  unsigned long long result = 0;
  CHECK_CUDA(cudaMemcpy(&result, errors.data(), sizeof result, cudaMemcpyDeviceToHost));
  return static_cast<int64_t>(result);
}

}  // namespace microbench
