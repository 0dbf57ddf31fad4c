// The work that the overlap program runs side by side: a matrix product on every GPU, and copies that a training step
// makes beside it.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "copy_check.hpp"
#include "cublaslt_product.hpp"
#include "overlap_sides.hpp"
#include "support/buffer.hpp"
#include "support/check.hpp"
#include "support/random.hpp"
#include "support/verify.hpp"

namespace microbench {

// D = A^T B of bfloat16 on one GPU, the forward product of a linear layer.
class GemmWork {
 public:
  GemmWork(int device, int64_t m, int64_t n, int64_t k);
  const Lane& lane() const { return lane_; }
  void enqueue() const {
    CHECK_CUDA(cudaSetDevice(lane_.device()));
    planned_->run(algorithm_, lane_.stream());
  }
  void poison_result() const {
    CHECK_CUDA(cudaSetDevice(lane_.device()));
    poison(d_.data(), d_.bytes());
    CHECK_CUDA(cudaDeviceSynchronize());
  }
  Verification verify() const;

 private:
  static constexpr uint64_t kSeedA = 1;
  static constexpr uint64_t kSeedB = 2;
  double reference(int64_t row, int64_t column) const;

  Lane lane_;  // first: makes the device current for the members below
  Product product_;
  CublasLt library_;
  DeviceBuffer<char> a_, b_, d_;
  std::unique_ptr<PlannedProduct> planned_;
  cublasLtMatmulAlgo_t algorithm_{};
};

inline GemmWork::GemmWork(int device, int64_t m, int64_t n, int64_t k)
    : lane_(device),
      product_{m, n, k},
      a_(product_.a_count() * sizeof(__nv_bfloat16)),
      b_(product_.b_count() * sizeof(__nv_bfloat16)),
      d_(product_.d_count() * sizeof(__nv_bfloat16)) {
  fill_random(a_.data(), product_.a_count(), product_.input, kSeedA);
  fill_random(b_.data(), product_.b_count(), product_.input, kSeedB);
  CHECK_CUDA(cudaDeviceSynchronize());
  planned_ = std::make_unique<PlannedProduct>(library_, product_, Operands{a_.data(), b_.data(), d_.data()});
  const std::vector<cublasLtMatmulAlgo_t> algorithms = planned_->algorithms(1);
  if (algorithms.empty()) fail(__FILE__, __LINE__, "overlap", "cuBLASLt has no kernel for this product");
  algorithm_ = algorithms.front();
}

inline double GemmWork::reference(int64_t row, int64_t column) const {
  double sum = 0;
  for (int64_t i = 0; i < product_.k; ++i)
    sum += random_element(product_.input, kSeedA, static_cast<uint64_t>(row * product_.k + i)) *
           random_element(product_.input, kSeedB, static_cast<uint64_t>(column * product_.k + i));
  return sum;
}

inline Verification GemmWork::verify() const {
  constexpr int64_t kSamples = 32;
  CHECK_CUDA(cudaSetDevice(lane_.device()));
  const std::vector<int64_t> indices = sample_indices(product_.m * product_.n, kSamples);
  const std::vector<double> values = read_elements(d_.data(), product_.output, indices);
  Comparison comparison(gemm_tolerance(product_.input, product_.output, product_.k));
  for (size_t i = 0; i < indices.size(); ++i)
    comparison.add(values[i], reference(indices[i] % product_.m, indices[i] / product_.m),
                   dot_product_scale(product_.k));
  comparison.require(count_not_finite(d_.data(), product_.d_count(), product_.output) == 0);
  return comparison.result();
}

// A copy within the GPU's memory, or into it from page-locked memory of the host.
class CopyWork {
 public:
  CopyWork(int device, size_t bytes, bool from_host) : lane_(device), to_(bytes / sizeof(uint32_t)) {
    const size_t words = to_.size();
    if (from_host) {
      host_ = PinnedBuffer<uint32_t>(words);
      fill_pattern_on_host(host_.data(), words);
    } else {
      from_ = DeviceBuffer<uint32_t>(words);
      fill_pattern(from_.data(), words);
    }
    CHECK_CUDA(cudaMemset(to_.data(), kNotCopied, to_.bytes()));
    CHECK_CUDA(cudaDeviceSynchronize());
  }
  const Lane& lane() const { return lane_; }
  void enqueue() const {
    const uint32_t* const from = host_.size() > 0 ? host_.data() : from_.data();
    CHECK_CUDA(cudaSetDevice(lane_.device()));
    CHECK_CUDA(cudaMemcpyAsync(to_.data(), from, to_.bytes(), cudaMemcpyDefault, lane_.stream()));
  }
  Verification verify() const {
    CHECK_CUDA(cudaSetDevice(lane_.device()));
    return verify_pattern(to_.data(), to_.size());
  }

 private:
  Lane lane_;  // first: makes the device current for the members below
  DeviceBuffer<uint32_t> to_;
  DeviceBuffer<uint32_t> from_;
  PinnedBuffer<uint32_t> host_;
};

// One of a kind of work per GPU, as a side of the measurement.
template <class Work>
Side side_of(const std::vector<std::unique_ptr<Work>>& work) {
  Side side;
  for (const auto& one : work) side.lanes.push_back(&one->lane());
  side.enqueue = [&work] {
    for (const auto& one : work) one->enqueue();
  };
  return side;
}

template <class Work>
Verification verify_all(const std::vector<std::unique_ptr<Work>>& work) {
  Verification all{0, true};
  for (const auto& one : work) all = worse_of(all, one->verify());
  return all;
}

}  // namespace microbench
