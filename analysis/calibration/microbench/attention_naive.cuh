// Attention as three kernels with the scores in memory: a batched product Q K^T, a softmax over its rows, a batched
// product with V. Scores are rounded to bf16 between the kernels, as a framework's bf16 tensors are.
#pragma once

#include <cuda_bf16.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "attention_blockwise.cuh"
#include "cublaslt_product.hpp"
#include "support/buffer.hpp"
#include "support/check.hpp"

namespace microbench {
namespace naive {

constexpr int kThreads = 256;
constexpr int kVector = 8;  // elements in 16 bytes

struct alignas(16) Stored {
  bf16 values[kVector];
};

// Maximum of the scores so far, and the sum of their exponentials relative to it.
struct Softmax {
  float maximum = -INFINITY;
  float sum = 0;
};

__device__ inline Softmax merged(Softmax a, Softmax b) {
  const float maximum = fmaxf(a.maximum, b.maximum);
  if (maximum == -INFINITY) return a;
  return {maximum, a.sum * expf(a.maximum - maximum) + b.sum * expf(b.maximum - maximum)};
}

// Every thread of the block gets the merger of all threads' values.
__device__ inline Softmax merge_block(Softmax value) {
  __shared__ Softmax of_warps[32];
  for (int distance = 16; distance > 0; distance /= 2) {
    const float maximum = __shfl_xor_sync(0xffffffffu, value.maximum, distance);
    const float sum = __shfl_xor_sync(0xffffffffu, value.sum, distance);
    value = merged(value, {maximum, sum});
  }
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = value;
  __syncthreads();
  Softmax all;
  for (int warp = 0; warp < kThreads / 32; ++warp) all = merged(all, of_warps[warp]);
  return all;
}

// In place, one block per row of `length` scores (a multiple of kVector); the query of a row is its number modulo
// length.
template <bool kCausal>
__global__ void __launch_bounds__(kThreads) softmax_kernel(bf16* scores, int64_t length, float scale) {
  const int64_t seen = kCausal ? blockIdx.x % length + 1 : length;
  Stored* const row = reinterpret_cast<Stored*>(scores + blockIdx.x * length);
  Softmax mine;
  for (int64_t vector = threadIdx.x; vector * kVector < seen; vector += kThreads) {
    const Stored stored = row[vector];
#pragma unroll
    for (int i = 0; i < kVector; ++i)
      if (vector * kVector + i < seen) mine = merged(mine, {scale * __bfloat162float(stored.values[i]), 1});
  }
  const Softmax all = merge_block(mine);
  const float factor = 1.0f / all.sum;
  for (int64_t vector = threadIdx.x; vector * kVector < length; vector += kThreads) {
    Stored stored = row[vector];
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      const bool counts = vector * kVector + i < seen;
      const float weight = counts ? expf(scale * __bfloat162float(stored.values[i]) - all.maximum) * factor : 0.0f;
      stored.values[i] = __float2bfloat16(weight);
    }
    row[vector] = stored;
  }
}

}  // namespace naive

// The queries of all heads that share keys lie one behind the other, so one product serves the group.
class NaiveAttention {
 public:
  NaiveAttention(const CublasLt& library, const AttentionShape& shape, const AttentionData& data)
      : shape_(shape),
        scores_(scores_count(shape)),
        scores_product_(library, product(shape, true), {data.k, data.q, scores_.data(), nullptr, nullptr}),
        output_product_(library, product(shape, false), {data.v, scores_.data(), data.o, nullptr, nullptr}),
        scores_algorithms_(scores_product_.algorithms(1)),
        output_algorithms_(output_product_.algorithms(1)) {}

  static size_t scores_count(const AttentionShape& shape) {
    return static_cast<size_t>(shape.batch * shape.heads * shape.length * shape.length);
  }
  bool supported() const { return !scores_algorithms_.empty() && !output_algorithms_.empty(); }

  void run(float scale) const {
    const auto rows = static_cast<unsigned>(shape_.batch * shape_.heads * shape_.length);
    scores_product_.run(scores_algorithms_.front(), nullptr);
    if (shape_.causal) naive::softmax_kernel<true><<<rows, naive::kThreads>>>(scores_.data(), shape_.length, scale);
    if (!shape_.causal) naive::softmax_kernel<false><<<rows, naive::kThreads>>>(scores_.data(), shape_.length, scale);
    CHECK_LAUNCH();
    output_product_.run(output_algorithms_.front(), nullptr);
  }

 private:
  // Column-major: scores^T [length, queries] = K Q^T and O^T [head_dim, queries] = V^T scores^T.
  static Product product(const AttentionShape& shape, bool of_scores) {
    Product result;
    result.m = of_scores ? shape.length : shape.head_dim;
    result.n = shape.heads / shape.kv_heads * shape.length;
    result.k = of_scores ? shape.head_dim : shape.length;
    result.transpose_a = of_scores;
    result.batch = shape.batch * shape.kv_heads;
    return result;
  }

  AttentionShape shape_;
  DeviceBuffer<bf16> scores_;
  PlannedProduct scores_product_, output_product_;
  std::vector<cublasLtMatmulAlgo_t> scores_algorithms_, output_algorithms_;
};

}  // namespace microbench
