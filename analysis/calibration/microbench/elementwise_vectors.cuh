// Eight neighbouring elements at a time, computed in float: 16 bytes of bf16 per memory instruction.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "support/random.hpp"

namespace microbench {

using bf16 = __nv_bfloat16;
constexpr int kVector = 8;
constexpr int kWarp = 32;

template <class T>
struct alignas(16) Stored {
  T values[kVector];
};

struct Vector {
  float values[kVector];
};

template <class T>
__device__ Vector load(const T* data, int64_t vector) {
  const Stored<T> stored = reinterpret_cast<const Stored<T>*>(data)[vector];
  Vector loaded;
#pragma unroll
  for (int i = 0; i < kVector; ++i) loaded.values[i] = to_float(stored.values[i]);
  return loaded;
}

template <class T>
__device__ void store(T* data, int64_t vector, const Vector& values) {
  Stored<T> stored;
#pragma unroll
  for (int i = 0; i < kVector; ++i) stored.values[i] = from_float<T>(values.values[i]);
  reinterpret_cast<Stored<T>*>(data)[vector] = stored;
}

struct Sum {
  static constexpr float kStart = 0;
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Maximum {
  static constexpr float kStart = -3.0e38f;  // below every bf16 but the two of the largest magnitude
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

template <class Combine>
__device__ float reduce_warp(float value) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    value = Combine{}(value, __shfl_xor_sync(0xffffffffu, value, distance));
  return value;
}

// Over the block, whose threads are a multiple of a warp; every thread gets the result.
template <class Combine>
__device__ float reduce_block(float value) {
  __shared__ float of_warps[kWarp];
  value = reduce_warp<Combine>(value);
  __syncthreads();  // an earlier reduction's readers are done
  if (threadIdx.x % kWarp == 0) of_warps[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = threadIdx.x % kWarp < blockDim.x / kWarp ? of_warps[threadIdx.x % kWarp] : Combine::kStart;
  return reduce_warp<Combine>(value);
}

constexpr float kNormEpsilon = 1e-5f;

// The tanh form of the Gaussian error linear unit (Hendrycks and Gimpel 2016).
__host__ __device__ inline float gelu(float x) {
  constexpr float kSqrtTwoOverPi = 0.7978845608f;
  return 0.5f * x * (1.0f + tanhf(kSqrtTwoOverPi * (x + 0.044715f * x * x * x)));
}

__host__ __device__ inline float silu(float x) { return x / (1.0f + expf(-x)); }

}  // namespace microbench
