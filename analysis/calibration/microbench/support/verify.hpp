// Whether a kernel computed what it should: sampled elements are compared with a double-precision reference of the
// host, and every element must have been written (poison the output first: its bytes 0xff are NaN in every
// floating-point type used here).
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "buffer.hpp"
#include "check.hpp"
#include "output.hpp"
#include "random.hpp"

namespace microbench {

struct Verification {
  double error = 0;  // largest |result - reference| / scale
  bool verified = false;
};

inline void add_verification(Record& record, const Verification& verification) {
  record.add("verified", verification.verified).add("error", verification.error);
}

// Collects comparisons against one tolerance.
class Comparison {
 public:
  explicit Comparison(double tolerance) : tolerance_(tolerance) {}
  // The error counts relative to the larger of `scale` and |want|: a sum that cancels is no more exact than its terms.
  void add(double got, double want, double scale) {
    const double error = std::abs(got - want) / std::max(scale, std::abs(want));
    // JSON has no NaN; a result that is none is wrong by more than any tolerance.
    error_ = std::isfinite(error) ? std::max(error_, error) : kNotANumber;
    ++compared_;
  }
  void require(bool condition) { sound_ = sound_ && condition; }
  Verification result() const { return {error_, sound_ && compared_ > 0 && error_ <= tolerance_}; }

 private:
  static constexpr double kNotANumber = 1e300;
  double tolerance_;
  double error_ = 0;
  int64_t compared_ = 0;
  bool sound_ = true;
};

// Both ends and a pseudo-random choice between, sorted, at most `samples` (all indices where there are no more).
inline std::vector<int64_t> sample_indices(int64_t count, int64_t samples, uint64_t seed = 7) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < std::min(count, samples); ++i) {
    const double fraction = 0.5 * (1.0 + static_cast<double>(random_value(seed, static_cast<uint64_t>(i))));
    indices.push_back(count <= samples ? i : static_cast<int64_t>(fraction * static_cast<double>(count)));
  }
  if (!indices.empty()) indices.front() = 0;
  if (!indices.empty()) indices.back() = count - 1;
  std::sort(indices.begin(), indices.end());
  indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  return indices;
}

template <class T>
__global__ void gather_kernel(const T* data, const int64_t* indices, size_t count, double* values) {
  const size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) values[i] = static_cast<double>(to_float(data[indices[i]]));
}

// The elements at `indices`, after all work of the device.
template <class T>
std::vector<double> read_elements(const T* data, const std::vector<int64_t>& indices) {
  constexpr size_t kThreads = 256;
  const size_t count = indices.size();
  std::vector<double> values(count);
  if (count == 0) return values;
  const DeviceBuffer<int64_t> where(count);
  const DeviceBuffer<double> found(count);
  CHECK_CUDA(cudaDeviceSynchronize());
  CHECK_CUDA(cudaMemcpy(where.data(), indices.data(), where.bytes(), cudaMemcpyHostToDevice));
  gather_kernel<<<static_cast<unsigned>((count + kThreads - 1) / kThreads), kThreads>>>(data, where.data(), count,
                                                                                        found.data());
  CHECK_LAUNCH();
  CHECK_CUDA(cudaMemcpy(values.data(), found.data(), found.bytes(), cudaMemcpyDeviceToHost));
  return values;
}

inline std::vector<double> read_elements(const void* data, DataType type, const std::vector<int64_t>& indices) {
  switch (type) {
    case DataType::bf16:
      return read_elements(static_cast<const __nv_bfloat16*>(data), indices);
    case DataType::fp16:
      return read_elements(static_cast<const __half*>(data), indices);
    case DataType::fp8_e4m3:
      return read_elements(static_cast<const __nv_fp8_e4m3*>(data), indices);
    case DataType::tf32:
    case DataType::fp32:
      return read_elements(static_cast<const float*>(data), indices);
  }
  return {};
}

template <class T>
__global__ void count_not_finite_kernel(const T* data, size_t count, unsigned long long* found) {
  const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
  unsigned long long mine = 0;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride)
    mine += isfinite(to_float(data[i])) ? 0 : 1;
  if (mine > 0) atomicAdd(found, mine);
}

// Elements that are NaN or infinite: those of a poisoned output that no thread wrote.
template <class T>
int64_t count_not_finite(const T* data, size_t count) {
  const DeviceBuffer<unsigned long long> found(1);
  CHECK_CUDA(cudaDeviceSynchronize());
  CHECK_CUDA(cudaMemset(found.data(), 0, found.bytes()));
  count_not_finite_kernel<<<1024, 256>>>(data, count, found.data());
  CHECK_LAUNCH();
  unsigned long long result = 0;
  CHECK_CUDA(cudaMemcpy(&result, found.data(), sizeof result, cudaMemcpyDeviceToHost));
  return static_cast<int64_t>(result);
}

inline int64_t count_not_finite(const void* data, size_t count, DataType type) {
  switch (type) {
    case DataType::bf16:
      return count_not_finite(static_cast<const __nv_bfloat16*>(data), count);
    case DataType::fp16:
      return count_not_finite(static_cast<const __half*>(data), count);
    case DataType::fp8_e4m3:
      return count_not_finite(static_cast<const __nv_fp8_e4m3*>(data), count);
    case DataType::tf32:
    case DataType::fp32:
      return count_not_finite(static_cast<const float*>(data), count);
  }
  return -1;
}

inline void poison(void* data, size_t bytes, cudaStream_t stream = nullptr) {
  CHECK_CUDA(cudaMemsetAsync(data, 0xff, bytes, stream));
}

// Half a unit in the last place of 1.
inline double unit_roundoff(DataType type) {
  switch (type) {
    case DataType::bf16:
      return 0x1p-8;
    case DataType::fp16:
    case DataType::tf32:
      return 0x1p-11;  // tf32 as an operand
    case DataType::fp8_e4m3:
      return 0x1p-4;
    case DataType::fp32:
      return 0x1p-24;
  }
  return 0;
}

// What a dot product over k random terms in [-1, 1) is worth: sqrt(k) times the terms' root mean square, 1/3.
inline double dot_product_scale(int64_t k) { return std::sqrt(static_cast<double>(k)) / 3; }

// Bound on the error of a matrix product relative to dot_product_scale(k), for operands of `input` written as `output`:
// the output's rounding; the operands' where the tensor cores round them (tf32: two operands, truncated, four standard
// deviations); and the accumulator's, which is truncated once per instruction, in the worst case always the same way.
// An instruction takes at least 8 terms into 23 bits of mantissa, but 32 terms into 14 bits for FP8 on Hopper
// (DeepSeek-V3 technical report, section 3.3.2).
inline double gemm_tolerance(DataType input, DataType output, int64_t k) {
  const double terms = static_cast<double>(k);
  const bool fp8 = input == DataType::fp8_e4m3;
  const double accumulation = fp8 ? terms / 32 * 0x1p-14 : terms / 8 * 0x1p-23;
  const double operands = input == DataType::tf32 ? 4 * 2 * unit_roundoff(input) : 0;
  return 2 * unit_roundoff(output) + operands + accumulation;
}

}  // namespace microbench
