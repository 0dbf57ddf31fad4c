// What one step of the Adam optimizer works on.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

namespace microbench {

// Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019):
//   m = b1 m + (1 - b1) g;   v = b2 v + (1 - b2) g^2
//   p = p (1 - rate decay) - rate (m / c1) / (sqrt(v / c2) + epsilon),   c = 1 - b^step
struct AdamConstants {
  float rate = 1e-3f;
  float beta1 = 0.9f;
  float beta2 = 0.95f;
  float epsilon = 1e-8f;
  float decay = 0.1f;
  float correction1 = 1.0f - 0.9f * 0.9f * 0.9f;     // of step 3
  float correction2 = 1.0f - 0.95f * 0.95f * 0.95f;  // of step 3
};

// One parameter tensor: masters and moments in float, the working copy in bf16.
template <class Gradient>
struct AdamTensor {
  int64_t count = 0;
  float* master = nullptr;
  float* m = nullptr;
  float* v = nullptr;
  const Gradient* gradient = nullptr;
  __nv_bfloat16* parameter = nullptr;
};

}  // namespace microbench
