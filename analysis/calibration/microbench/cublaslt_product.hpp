// One matrix product D = alpha op(A) op(B) + beta D through cuBLASLt, column-major as the library counts: op(A) is
// m x k, op(B) is k x n, D is m x n, without gaps between columns. A row-major matrix is the same memory read as its
// transpose.
#pragma once

#include <cublasLt.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/buffer.hpp"
#include "support/check.hpp"
#include "support/random.hpp"

namespace microbench {

struct Product {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  bool transpose_a = true;
  bool transpose_b = false;
  DataType input = DataType::bf16;
  DataType output = DataType::bf16;
  bool accumulate = false;         // beta = 1
  bool fast_accumulation = false;  // FP8 only: fewer bits kept in the accumulator
  int64_t batch = 1;               // products one behind the other in memory

  double flops() const {
    return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) * static_cast<double>(batch);
  }
  size_t a_count() const { return static_cast<size_t>(m * k * batch); }
  size_t b_count() const { return static_cast<size_t>(k * n * batch); }
  size_t d_count() const { return static_cast<size_t>(m * n * batch); }
};

inline std::string layout_name(const Product& product) {
  return std::string(product.transpose_a ? "T" : "N") + (product.transpose_b ? "T" : "N");
}

inline cudaDataType_t cuda_type(DataType type) {
  switch (type) {
    case DataType::bf16:
      return CUDA_R_16BF;
    case DataType::fp16:
      return CUDA_R_16F;
    case DataType::fp8_e4m3:
      return CUDA_R_8F_E4M3;
    case DataType::tf32:
    case DataType::fp32:
      return CUDA_R_32F;
  }
  return CUDA_R_32F;
}

// A library object of any of cuBLASLt's kinds, destroyed with its owner.
template <class Handle, cublasStatus_t (*Destroy)(Handle)>
class CublasObject {
 public:
  CublasObject() = default;
  CublasObject(const CublasObject&) = delete;
  CublasObject& operator=(const CublasObject&) = delete;
  ~CublasObject() {
    if (handle_ != nullptr) Destroy(handle_);
  }
  Handle* address() { return &handle_; }
  Handle get() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};

class CublasLt {
 public:
  // The library's documentation recommends 32 MiB on Hopper; more lets it choose split-K for small m and n.
  static constexpr size_t kWorkspaceBytes = size_t{64} << 20;

  CublasLt() : workspace_(kWorkspaceBytes) { CHECK_CUBLAS(cublasLtCreate(handle_.address())); }
  cublasLtHandle_t handle() const { return handle_.get(); }
  void* workspace() const { return workspace_.data(); }

 private:
  CublasObject<cublasLtHandle_t, cublasLtDestroy> handle_;
  DeviceBuffer<char> workspace_;
};

// Where the operands lie. For FP8 the scales are floats on the device that multiply A and B; otherwise null.
struct Operands {
  const void* a = nullptr;
  const void* b = nullptr;
  void* d = nullptr;
  const float* a_scale = nullptr;
  const float* b_scale = nullptr;
};

class PlannedProduct {
 public:
  PlannedProduct(const CublasLt& library, const Product& product, const Operands& operands)
      : library_(library), product_(product), operands_(operands) {
    describe_operation();
    describe_matrix(a_, product.input, product.transpose_a ? product.k : product.m, product.m * product.k);
    describe_matrix(b_, product.input, product.transpose_b ? product.n : product.k, product.k * product.n);
    describe_matrix(d_, product.output, product.m, product.m * product.n);
  }

  // The library's own best guesses, at most `wanted`; none where it has no kernel for the product on this device.
  std::vector<cublasLtMatmulAlgo_t> algorithms(int wanted) const;
  void run(const cublasLtMatmulAlgo_t& algorithm, cudaStream_t stream) const;

 private:
  using Layout = CublasObject<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
  void describe_operation();
  void describe_matrix(Layout& layout, DataType type, int64_t rows, int64_t count);
  template <class Value>
  void set(cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    CHECK_CUBLAS(cublasLtMatmulDescSetAttribute(operation_.get(), attribute, &value, sizeof value));
  }

  const CublasLt& library_;
  Product product_;
  Operands operands_;
  CublasObject<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy> operation_;
  Layout a_, b_, d_;
};

inline void PlannedProduct::describe_operation() {
  const bool tf32 = product_.input == DataType::tf32;
  const auto compute = tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  CHECK_CUBLAS(cublasLtMatmulDescCreate(operation_.address(), compute, CUDA_R_32F));
  set(CUBLASLT_MATMUL_DESC_TRANSA, product_.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_TRANSB, product_.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (product_.input != DataType::fp8_e4m3) return;
  set(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, operands_.a_scale);
  set(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, operands_.b_scale);
  set(CUBLASLT_MATMUL_DESC_FAST_ACCUM, static_cast<int8_t>(product_.fast_accumulation ? 1 : 0));
}

inline void PlannedProduct::describe_matrix(Layout& layout, DataType type, int64_t rows, int64_t count) {
  const int64_t columns = count / rows;
  CHECK_CUBLAS(cublasLtMatrixLayoutCreate(layout.address(), cuda_type(type), static_cast<uint64_t>(rows),
                                          static_cast<uint64_t>(columns), rows));
  const auto batch = static_cast<int32_t>(product_.batch);
  CHECK_CUBLAS(
      cublasLtMatrixLayoutSetAttribute(layout.get(), CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch));
  CHECK_CUBLAS(cublasLtMatrixLayoutSetAttribute(layout.get(), CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &count,
                                                sizeof count));
}

inline std::vector<cublasLtMatmulAlgo_t> PlannedProduct::algorithms(int wanted) const {
  CublasObject<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy> preference;
  CHECK_CUBLAS(cublasLtMatmulPreferenceCreate(preference.address()));
  const size_t workspace = CublasLt::kWorkspaceBytes;
  CHECK_CUBLAS(cublasLtMatmulPreferenceSetAttribute(preference.get(), CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                    &workspace, sizeof workspace));
  std::vector<cublasLtMatmulHeuristicResult_t> results(static_cast<size_t>(wanted));
  int found = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(library_.handle(), operation_.get(), a_.get(), b_.get(), d_.get(), d_.get(),
                                     preference.get(), wanted, results.data(), &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return {};
  CHECK_CUBLAS(status);
  std::vector<cublasLtMatmulAlgo_t> usable;
  for (int i = 0; i < found; ++i) {
    const cublasLtMatmulHeuristicResult_t& result = results[static_cast<size_t>(i)];
    if (result.state == CUBLAS_STATUS_SUCCESS) usable.push_back(result.algo);
  }
  return usable;
}

inline void PlannedProduct::run(const cublasLtMatmulAlgo_t& algorithm, cudaStream_t stream) const {
  const float alpha = 1;
  const float beta = product_.accumulate ? 1.0f : 0.0f;
  CHECK_CUBLAS(cublasLtMatmul(library_.handle(), operation_.get(), &alpha, operands_.a, a_.get(), operands_.b, b_.get(),
                              &beta, operands_.d, d_.get(), operands_.d, d_.get(), &algorithm, library_.workspace(),
                              CublasLt::kWorkspaceBytes, stream));
}

}  // namespace microbench
