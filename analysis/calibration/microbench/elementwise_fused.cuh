// One kernel per operator: every input is read once, every output written once. The operators over rows keep a row in
// the registers of one block.
#pragma once

#include <cstdint>

#include "elementwise_vectors.cuh"
#include "support/check.hpp"

namespace microbench {

struct MatrixSize {
  int64_t rows = 0;
  int64_t columns = 0;  // a multiple of kVector

  int64_t row_vectors() const { return columns / kVector; }
  int64_t vectors() const { return rows * row_vectors(); }
  size_t count() const { return static_cast<size_t>(rows * columns); }
};

// Device addresses of one operator: x and residual are [rows, columns] (x of swiglu: gates, then ups, [rows, 2
// columns]), weight and bias [columns].
struct OperatorData {
  const bf16* x = nullptr;
  const bf16* residual = nullptr;
  const bf16* weight = nullptr;
  const bf16* bias = nullptr;
  bf16* sum = nullptr;  // x + residual
  bf16* y = nullptr;
};

constexpr unsigned kPointwiseThreads = 256;
constexpr unsigned kMostRowThreads = 256;
constexpr int kMostRowVectors = 8;  // per thread
constexpr int64_t kMostColumns = int64_t{kMostRowThreads} * kMostRowVectors * kVector;

__global__ void fused_add(OperatorData data, int64_t vectors) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= vectors) return;
  Vector sum = load(data.x, i);
  const Vector other = load(data.residual, i);
#pragma unroll
  for (int j = 0; j < kVector; ++j) sum.values[j] += other.values[j];
  store(data.y, i, sum);
}

// The grid's y counts rows, so that no thread divides.
__global__ void fused_bias_gelu(OperatorData data, int64_t row_vectors) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= row_vectors) return;
  const int64_t i = blockIdx.y * row_vectors + column;
  Vector x = load(data.x, i);
  const Vector bias = load(data.bias, column);
#pragma unroll
  for (int j = 0; j < kVector; ++j) x.values[j] = gelu(x.values[j] + bias.values[j]);
  store(data.y, i, x);
}

__global__ void fused_swiglu(OperatorData data, int64_t row_vectors) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= row_vectors) return;
  const int64_t row = blockIdx.y;
  Vector gate = load(data.x, 2 * row * row_vectors + column);
  const Vector up = load(data.x, (2 * row + 1) * row_vectors + column);
#pragma unroll
  for (int j = 0; j < kVector; ++j) gate.values[j] = silu(gate.values[j]) * up.values[j];
  store(data.y, row * row_vectors + column, gate);
}

// One block per row; thread t holds vectors t, t + blockDim.x, … of it.
template <int kHeld>
struct Row {
  Vector held[kHeld];

  // Calls f(element) for every element of the row that this thread holds.
  template <class F>
  __device__ void for_each(int64_t row_vectors, F f) {
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      if (threadIdx.x + i * blockDim.x >= row_vectors) continue;
#pragma unroll
      for (int j = 0; j < kVector; ++j) f(held[i].values[j]);
    }
  }
  __device__ void load_from(const bf16* data, int64_t row_vectors) {
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      const int64_t column = threadIdx.x + i * blockDim.x;
      if (column < row_vectors) held[i] = load(data, blockIdx.x * row_vectors + column);
    }
  }
  __device__ void store_to(bf16* data, int64_t row_vectors) const {
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      const int64_t column = threadIdx.x + i * blockDim.x;
      if (column < row_vectors) store(data, blockIdx.x * row_vectors + column, held[i]);
    }
  }
  // element = combine(element, the column's value)
  template <class F>
  __device__ void combine_columns(const bf16* values, int64_t row_vectors, F combine) {
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      const int64_t column = threadIdx.x + i * blockDim.x;
      if (column >= row_vectors) continue;
      const Vector other = load(values, column);
#pragma unroll
      for (int j = 0; j < kVector; ++j) held[i].values[j] = combine(held[i].values[j], other.values[j]);
    }
  }
  __device__ float mean_square(int64_t row_vectors) {
    float squares = 0;
    for_each(row_vectors, [&](float& x) { squares += x * x; });
    return reduce_block<Sum>(squares) / static_cast<float>(row_vectors * kVector);
  }
  __device__ void rms_normalise(const bf16* weight, int64_t row_vectors) {
    const float factor = rsqrtf(mean_square(row_vectors) + kNormEpsilon);
    combine_columns(weight, row_vectors, [&](float x, float w) { return x * factor * w; });
  }
};

template <int kHeld>
__global__ void __launch_bounds__(kMostRowThreads) fused_rms_norm(OperatorData data, int64_t row_vectors) {
  Row<kHeld> row;
  row.load_from(data.x, row_vectors);
  row.rms_normalise(data.weight, row_vectors);
  row.store_to(data.y, row_vectors);
}

// The sum is written as well: it is the next layer's residual. It is normalised as it was rounded.
template <int kHeld>
__global__ void __launch_bounds__(kMostRowThreads) fused_residual_norm(OperatorData data, int64_t row_vectors) {
  Row<kHeld> row;
  row.load_from(data.x, row_vectors);
  const bf16* residual = data.residual + blockIdx.x * row_vectors * kVector;
  row.combine_columns(residual, row_vectors, [](float x, float r) { return to_float(from_float<bf16>(x + r)); });
  row.store_to(data.sum, row_vectors);
  row.rms_normalise(data.weight, row_vectors);
  row.store_to(data.y, row_vectors);
}

template <int kHeld>
__global__ void __launch_bounds__(kMostRowThreads) fused_layer_norm(OperatorData data, int64_t row_vectors) {
  Row<kHeld> row;
  row.load_from(data.x, row_vectors);
  float sum = 0;
  row.for_each(row_vectors, [&](float& x) { sum += x; });
  const float mean = reduce_block<Sum>(sum) / static_cast<float>(row_vectors * kVector);
  row.for_each(row_vectors, [&](float& x) { x -= mean; });
  const float factor = rsqrtf(row.mean_square(row_vectors) + kNormEpsilon);
  row.combine_columns(data.weight, row_vectors, [&](float x, float w) { return x * factor * w; });
  row.combine_columns(data.bias, row_vectors, [](float x, float b) { return x + b; });
  row.store_to(data.y, row_vectors);
}

template <int kHeld>
__global__ void __launch_bounds__(kMostRowThreads) fused_softmax(OperatorData data, int64_t row_vectors) {
  Row<kHeld> row;
  row.load_from(data.x, row_vectors);
  float largest = Maximum::kStart;
  row.for_each(row_vectors, [&](float& x) { largest = fmaxf(largest, x); });
  largest = reduce_block<Maximum>(largest);
  float sum = 0;
  row.for_each(row_vectors, [&](float& x) {
    x = expf(x - largest);
    sum += x;
  });
  const float factor = 1.0f / reduce_block<Sum>(sum);
  row.for_each(row_vectors, [&](float& x) { x *= factor; });
  row.store_to(data.y, row_vectors);
}

enum class RowOperator { rms_norm, residual_norm, layer_norm, softmax };

template <int kHeld>
void launch_row_operator(RowOperator op, const OperatorData& data, const MatrixSize& size, unsigned threads) {
  const auto rows = static_cast<unsigned>(size.rows);
  const int64_t row_vectors = size.row_vectors();
  switch (op) {
    case RowOperator::rms_norm:
      fused_rms_norm<kHeld><<<rows, threads>>>(data, row_vectors);
      break;
    case RowOperator::residual_norm:
      fused_residual_norm<kHeld><<<rows, threads>>>(data, row_vectors);
      break;
    case RowOperator::layer_norm:
      fused_layer_norm<kHeld><<<rows, threads>>>(data, row_vectors);
      break;
    case RowOperator::softmax:
      fused_softmax<kHeld><<<rows, threads>>>(data, row_vectors);
      break;
  }
  CHECK_LAUNCH();
}

// As few threads as hold the row in one vector each, at most kMostRowThreads with up to kMostRowVectors each.
inline void run_fused_row_operator(RowOperator op, const OperatorData& data, const MatrixSize& size) {
  const int64_t warps = (size.row_vectors() + kWarp - 1) / kWarp;
  const unsigned threads = warps * kWarp < kMostRowThreads ? static_cast<unsigned>(warps * kWarp) : kMostRowThreads;
  const int64_t held = (size.row_vectors() + threads - 1) / threads;
  if (held <= 1) return launch_row_operator<1>(op, data, size, threads);
  if (held <= 2) return launch_row_operator<2>(op, data, size, threads);
  if (held <= 4) return launch_row_operator<4>(op, data, size, threads);
  launch_row_operator<kMostRowVectors>(op, data, size, threads);
}

// Blocks over the vectors of a row, times rows.
inline dim3 grid_of_rows(const MatrixSize& size) {
  const int64_t blocks = (size.row_vectors() + kPointwiseThreads - 1) / kPointwiseThreads;
  return {static_cast<unsigned>(blocks), static_cast<unsigned>(size.rows)};
}

}  // namespace microbench
