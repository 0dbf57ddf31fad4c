// The same operators as an eager framework runs them: a kernel per arithmetic step, every step's result in memory, in
// float where the frameworks' reference code computes in float.
#pragma once

#include <cstdint>

#include "elementwise_fused.cuh"
#include "elementwise_vectors.cuh"
#include "support/buffer.hpp"
#include "support/check.hpp"

namespace microbench {

// Where a step reads: a matrix (possibly the first columns of wider rows), one value per row, per column, or nothing.
template <class T>
struct Elements {
  const T* data;
  int64_t row_vectors;
  __device__ Vector at(int64_t row, int64_t column) const { return load(data, row * row_vectors + column); }
};
struct PerRow {
  const float* data;
  __device__ Vector at(int64_t row, int64_t) const {
    Vector same;
#pragma unroll
    for (int i = 0; i < kVector; ++i) same.values[i] = data[row];
    return same;
  }
};
struct PerColumn {
  const bf16* data;
  __device__ Vector at(int64_t, int64_t column) const { return load(data, column); }
};
struct Nothing {
  __device__ Vector at(int64_t, int64_t) const { return {}; }
};

struct Copy {
  __device__ float operator()(float a, float) const { return a; }
};
struct Add {
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Subtract {
  __device__ float operator()(float a, float b) const { return a - b; }
};
struct Multiply {
  __device__ float operator()(float a, float b) const { return a * b; }
};
struct Divide {
  __device__ float operator()(float a, float b) const { return a / b; }
};
struct Square {
  __device__ float operator()(float a, float) const { return a * a; }
};
struct Exponential {
  __device__ float operator()(float a, float) const { return expf(a); }
};
struct Gelu {
  __device__ float operator()(float a, float) const { return gelu(a); }
};
struct Silu {
  __device__ float operator()(float a, float) const { return silu(a); }
};

template <class Step, class Out, class A, class B>
__global__ void step_kernel(Out* out, int64_t row_vectors, A a, B b) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= row_vectors) return;
  const int64_t row = blockIdx.y;
  const Vector left = a.at(row, column);
  const Vector right = b.at(row, column);
  Vector result;
#pragma unroll
  for (int i = 0; i < kVector; ++i) result.values[i] = Step{}(left.values[i], right.values[i]);
  store(out, row * row_vectors + column, result);
}

// One block per row: the row's sum or maximum, times a factor.
template <class Combine>
__global__ void reduce_rows_kernel(float* out, const float* data, int64_t row_vectors, float factor) {
  float mine = Combine::kStart;
  for (int64_t column = threadIdx.x; column < row_vectors; column += blockDim.x) {
    const Vector values = load(data, blockIdx.x * row_vectors + column);
#pragma unroll
    for (int i = 0; i < kVector; ++i) mine = Combine{}(mine, values.values[i]);
  }
  mine = reduce_block<Combine>(mine);
  if (threadIdx.x == 0) out[blockIdx.x] = mine * factor;
}

__global__ void inverse_root_kernel(float* values, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) values[i] = rsqrtf(values[i] + kNormEpsilon);
}

// Runs chains of steps over matrices of one size, with the memory for what is between the steps.
class StepChain {
 public:
  explicit StepChain(const MatrixSize& size)
      : size_(size),
        wide_(size.count()),
        squares_(size.count()),
        narrow_(size.count()),
        of_rows_(static_cast<size_t>(size.rows)) {}

  void bias_gelu(const OperatorData& data) const {
    step<Add>(narrow_.data(), matrix(data.x), PerColumn{data.bias});
    step<Gelu>(data.y, matrix(narrow_.data()));
  }
  void swiglu(const OperatorData& data) const {
    const int64_t both = 2 * size_.row_vectors();
    step<Silu>(narrow_.data(), Elements<bf16>{data.x, both});
    step<Multiply>(data.y, matrix(narrow_.data()), Elements<bf16>{data.x + size_.columns, both});
  }
  void rms_norm(const OperatorData& data) const {
    step<Copy>(wide_.data(), matrix(data.x));
    divide_by_root_mean_square();
    step<Multiply>(data.y, matrix(narrow_.data()), PerColumn{data.weight});
  }
  void residual_norm(const OperatorData& data) const {
    step<Add>(data.sum, matrix(data.x), matrix(data.residual));
    OperatorData normalised = data;
    normalised.x = data.sum;
    rms_norm(normalised);
  }
  void layer_norm(const OperatorData& data) const {
    step<Copy>(wide_.data(), matrix(data.x));
    reduce_rows<Sum>(wide_.data(), mean_factor());
    step<Subtract>(wide_.data(), matrix(wide_.data()), PerRow{of_rows_.data()});
    divide_by_root_mean_square();
    step<Multiply>(narrow_.data(), matrix(narrow_.data()), PerColumn{data.weight});
    step<Add>(data.y, matrix(narrow_.data()), PerColumn{data.bias});
  }
  void softmax(const OperatorData& data) const {
    step<Copy>(wide_.data(), matrix(data.x));
    reduce_rows<Maximum>(wide_.data(), 1);
    step<Subtract>(wide_.data(), matrix(wide_.data()), PerRow{of_rows_.data()});
    step<Exponential>(wide_.data(), matrix(wide_.data()));
    reduce_rows<Sum>(wide_.data(), 1);
    step<Divide>(wide_.data(), matrix(wide_.data()), PerRow{of_rows_.data()});
    step<Copy>(data.y, matrix(wide_.data()));
  }

 private:
  template <class T>
  Elements<T> matrix(T* data) const {
    return {data, size_.row_vectors()};
  }
  Elements<bf16> matrix(const bf16* data) const { return {data, size_.row_vectors()}; }
  float mean_factor() const { return 1.0f / static_cast<float>(size_.columns); }

  template <class Step, class Out, class A, class B = Nothing>
  void step(Out* out, const A& a, const B& b = {}) const {
    step_kernel<Step><<<grid_of_rows(size_), kPointwiseThreads>>>(out, size_.row_vectors(), a, b);
    CHECK_LAUNCH();
  }
  template <class Combine>
  void reduce_rows(const float* data, float factor) const {
    const auto rows = static_cast<unsigned>(size_.rows);
    reduce_rows_kernel<Combine><<<rows, kMostRowThreads>>>(of_rows_.data(), data, size_.row_vectors(), factor);
    CHECK_LAUNCH();
  }
  // narrow = wide / sqrt(mean(wide^2) + epsilon)
  void divide_by_root_mean_square() const {
    step<Square>(squares_.data(), matrix(wide_.data()));
    reduce_rows<Sum>(squares_.data(), mean_factor());
    const auto blocks = static_cast<unsigned>((size_.rows + kPointwiseThreads - 1) / kPointwiseThreads);
    inverse_root_kernel<<<blocks, kPointwiseThreads>>>(of_rows_.data(), size_.rows);
    CHECK_LAUNCH();
    step<Multiply>(wide_.data(), matrix(wide_.data()), PerRow{of_rows_.data()});
    step<Copy>(narrow_.data(), matrix(wide_.data()));
  }

  MatrixSize size_;
  DeviceBuffer<float> wide_, squares_;
  DeviceBuffer<bf16> narrow_;
  DeviceBuffer<float> of_rows_;
};

}  // namespace microbench
