// Reproducible random operands. Element i of a buffer is a hash of (seed, i), so the host can recompute any element of
// a reference without copying the buffer back. Random and not zero: tensor cores draw less power on zeros and then run
// at clocks that no training step sees.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "check.hpp"

namespace microbench {

// tf32: 32-bit floats in memory, multiplied with 10 bits of mantissa.
enum class DataType { bf16, fp16, tf32, fp8_e4m3, fp32 };

inline const char* name_of(DataType type) {
  switch (type) {
    case DataType::bf16:
      return "bf16";
    case DataType::fp16:
      return "fp16";
    case DataType::tf32:
      return "tf32";
    case DataType::fp8_e4m3:
      return "fp8_e4m3";
    case DataType::fp32:
      return "fp32";
  }
  return "";
}

inline int64_t element_bytes(DataType type) {
  switch (type) {
    case DataType::bf16:
    case DataType::fp16:
      return 2;
    case DataType::fp8_e4m3:
      return 1;
    case DataType::tf32:
    case DataType::fp32:
      return 4;
  }
  return 0;
}

// Uniform in [-1, 1), a multiple of 2^-23, so that a float holds it exactly. The mixing is splitmix64's (Steele, Lea,
// Flood 2014).
__host__ __device__ inline float random_value(uint64_t seed, uint64_t index) {
  uint64_t bits = (seed << 40) + (index + 1) * 0x9e3779b97f4a7c15ull;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ull;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebull;
  bits ^= bits >> 31;
  return static_cast<float>(bits >> 40) * 0x1p-23f - 1.0f;
}

template <class T>
__host__ __device__ inline T from_float(float value) {
  return T(value);
}
template <>
__host__ __device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16(value);
}
template <>
__host__ __device__ inline __half from_float<__half>(float value) {
  return __float2half(value);
}

template <class T>
__host__ __device__ inline float to_float(T value) {
  return static_cast<float>(value);
}

// What fill_random stores at `index`, as the host's reference needs it: rounded to T.
template <class T>
double random_element(uint64_t seed, uint64_t index, float scale = 1) {
  return static_cast<double>(to_float(from_float<T>(scale * random_value(seed, index))));
}

inline double random_element(DataType type, uint64_t seed, uint64_t index, float scale = 1) {
  switch (type) {
    case DataType::bf16:
      return random_element<__nv_bfloat16>(seed, index, scale);
    case DataType::fp16:
      return random_element<__half>(seed, index, scale);
    case DataType::fp8_e4m3:
      return random_element<__nv_fp8_e4m3>(seed, index, scale);
    case DataType::tf32:
    case DataType::fp32:
      return random_element<float>(seed, index, scale);
  }
  return 0;
}

template <class T>
__global__ void fill_random_kernel(T* data, size_t count, uint64_t seed, float scale) {
  const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride)
    data[i] = from_float<T>(scale * random_value(seed, i));
}

// Uniform in [-scale, scale), rounded to T.
template <class T>
void fill_random(T* data, size_t count, uint64_t seed, float scale = 1, cudaStream_t stream = nullptr) {
  constexpr int kThreads = 256;
  constexpr size_t kMostBlocks = 65536;
  if (count == 0) return;
  const size_t blocks = (count + kThreads - 1) / kThreads;
  fill_random_kernel<<<static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks), kThreads, 0, stream>>>(
      data, count, seed, scale);
  CHECK_LAUNCH();
}

inline void fill_random(void* data, size_t count, DataType type, uint64_t seed, float scale = 1,
                        cudaStream_t stream = nullptr) {
  switch (type) {
    case DataType::bf16:
      return fill_random(static_cast<__nv_bfloat16*>(data), count, seed, scale, stream);
    case DataType::fp16:
      return fill_random(static_cast<__half*>(data), count, seed, scale, stream);
    case DataType::fp8_e4m3:
      return fill_random(static_cast<__nv_fp8_e4m3*>(data), count, seed, scale, stream);
    case DataType::tf32:
    case DataType::fp32:
      return fill_random(static_cast<float*>(data), count, seed, scale, stream);
  }
}

}  // namespace microbench
