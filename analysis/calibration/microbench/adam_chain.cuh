// The Adam step as an eager framework runs it without a fused optimizer: tensor by tensor, a kernel per arithmetic
// step, each of which reads its operands from memory and writes its result back.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "adam_tensor.hpp"
#include "support/check.hpp"
#include "support/random.hpp"

namespace microbench {

// out = step(out, a, b), element by element; the steps that do not use an operand do not load it.
struct Widen {
  template <class A>
  __device__ void operator()(float& out, const A* a, const float*, int64_t i) const {
    out = to_float(a[i]);
  }
};
struct Scale {
  float factor;
  __device__ void operator()(float& out, const float*, const float*, int64_t) const { out *= factor; }
};
struct AddScaled {
  float factor;
  __device__ void operator()(float& out, const float* a, const float*, int64_t i) const { out += factor * a[i]; }
};
struct AddScaledSquare {
  float factor;
  __device__ void operator()(float& out, const float* a, const float*, int64_t i) const { out += factor * a[i] * a[i]; }
};
struct SquareRoot {
  __device__ void operator()(float& out, const float* a, const float*, int64_t i) const { out = sqrtf(a[i]); }
};
struct AddConstant {
  float constant;
  __device__ void operator()(float& out, const float*, const float*, int64_t) const { out += constant; }
};
struct AddScaledQuotient {
  float factor;
  __device__ void operator()(float& out, const float* a, const float* b, int64_t i) const {
    out += factor * a[i] / b[i];
  }
};
struct Narrow {
  __device__ void operator()(__nv_bfloat16& out, const float* a, const float*, int64_t i) const {
    out = from_float<__nv_bfloat16>(a[i]);
  }
};

template <class Step, class Out, class A>
__global__ void adam_step_kernel(Step step, Out* out, const A* a, const float* b, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) step(out[i], a, b, i);
}

template <class Step, class Out, class A = float>
void adam_step(const Step& step, Out* out, int64_t count, const A* a = nullptr, const float* b = nullptr) {
  constexpr int kThreads = 256;
  const auto blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  adam_step_kernel<<<blocks, kThreads>>>(step, out, a, b, count);
  CHECK_LAUNCH();
}

// `wide_gradient` and `denominator` are work space for the largest tensor. Eleven kernels.
template <class Gradient>
void run_adam_chain(const AdamTensor<Gradient>& tensor, const AdamConstants& adam, float* wide_gradient,
                    float* denominator) {
  const int64_t count = tensor.count;
  adam_step(Widen{}, wide_gradient, count, tensor.gradient);
  adam_step(Scale{1.0f - adam.rate * adam.decay}, tensor.master, count);
  adam_step(Scale{adam.beta1}, tensor.m, count);
  adam_step(AddScaled{1.0f - adam.beta1}, tensor.m, count, wide_gradient);
  adam_step(Scale{adam.beta2}, tensor.v, count);
  adam_step(AddScaledSquare{1.0f - adam.beta2}, tensor.v, count, wide_gradient);
  adam_step(SquareRoot{}, denominator, count, tensor.v);
  adam_step(Scale{1.0f / sqrtf(adam.correction2)}, denominator, count);
  adam_step(AddConstant{adam.epsilon}, denominator, count);
  adam_step(AddScaledQuotient{-adam.rate / adam.correction1}, tensor.master, count, tensor.m, denominator);
  adam_step(Narrow{}, tensor.parameter, count, tensor.master);
}

}  // namespace microbench
