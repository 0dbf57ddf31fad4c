// The Adam step in one kernel for all tensors of a model: every value is read once and written once.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "adam_tensor.hpp"
#include "support/random.hpp"

namespace microbench {

using bf16 = __nv_bfloat16;
constexpr int kFusedThreads = 256;
constexpr int kVector = 4;         // floats in 16 bytes
constexpr int64_t kChunk = 16384;  // elements of one block's work, a multiple of the vector

// A block's part of a tensor. The table of all of them lies on the device, so one launch takes any number of tensors.
struct Chunk {
  int tensor = 0;
  int64_t first = 0;
};

struct Element {
  float master;
  float m;
  float v;
};

__device__ inline Element adam_update(Element e, float gradient, const AdamConstants& adam) {
  e.m = adam.beta1 * e.m + (1.0f - adam.beta1) * gradient;
  e.v = adam.beta2 * e.v + (1.0f - adam.beta2) * gradient * gradient;
  const float denominator = sqrtf(e.v / adam.correction2) + adam.epsilon;
  e.master = e.master * (1.0f - adam.rate * adam.decay) - adam.rate * (e.m / adam.correction1) / denominator;
  return e;
}

template <class T>
struct alignas(sizeof(T) * kVector) Stored {
  T values[kVector];
};

template <class T>
__device__ Stored<T>& vector_at(T* data, int64_t index) {
  return *reinterpret_cast<Stored<T>*>(data + index);
}
template <class T>
__device__ const Stored<T>& vector_at(const T* data, int64_t index) {
  return *reinterpret_cast<const Stored<T>*>(data + index);
}

template <class Gradient>
__device__ void update_vector(const AdamTensor<Gradient>& tensor, int64_t index, const AdamConstants& adam) {
  Stored<float> master = vector_at(tensor.master, index);
  Stored<float> m = vector_at(tensor.m, index);
  Stored<float> v = vector_at(tensor.v, index);
  const Stored<Gradient> gradient = vector_at(tensor.gradient, index);
  Stored<bf16> parameter;
#pragma unroll
  for (int i = 0; i < kVector; ++i) {
    const Element updated =
        adam_update({master.values[i], m.values[i], v.values[i]}, to_float(gradient.values[i]), adam);
    master.values[i] = updated.master;
    m.values[i] = updated.m;
    v.values[i] = updated.v;
    parameter.values[i] = from_float<bf16>(updated.master);
  }
  vector_at(tensor.master, index) = master;
  vector_at(tensor.m, index) = m;
  vector_at(tensor.v, index) = v;
  vector_at(tensor.parameter, index) = parameter;
}

template <class Gradient>
__device__ void update_element(const AdamTensor<Gradient>& tensor, int64_t index, const AdamConstants& adam) {
  const Element updated =
      adam_update({tensor.master[index], tensor.m[index], tensor.v[index]}, to_float(tensor.gradient[index]), adam);
  tensor.master[index] = updated.master;
  tensor.m[index] = updated.m;
  tensor.v[index] = updated.v;
  tensor.parameter[index] = from_float<bf16>(updated.master);
}

template <class Gradient>
__global__ void __launch_bounds__(kFusedThreads)
    fused_adam_kernel(const AdamTensor<Gradient>* tensors, const Chunk* chunks, AdamConstants adam) {
  const Chunk chunk = chunks[blockIdx.x];
  const AdamTensor<Gradient> tensor = tensors[chunk.tensor];
  const int64_t end = chunk.first + kChunk < tensor.count ? chunk.first + kChunk : tensor.count;
  const int64_t whole = end - end % kVector;
  for (int64_t i = chunk.first + threadIdx.x * kVector; i < whole; i += kFusedThreads * kVector)
    update_vector(tensor, i, adam);
  const int64_t rest = whole + threadIdx.x;
  if (rest < end) update_element(tensor, rest, adam);
}

}  // namespace microbench
