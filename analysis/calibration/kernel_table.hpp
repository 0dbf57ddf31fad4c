// Tables of kernel times, comma-separated, recognised by their columns (in any order, further ones are ignored):
//   GEMM        dtype,m,n,k,latency_us                                        C[m x n] = A[m x k] B[k x n]
//   attention   kernel,batch,seq_len,heads,kv_heads,head_dim,latency_us      causal, forward, 16 bit
//   collective  gpu,nccl,operation,dtype,gpus,bytes,latency_us               one NVLink domain
// as NVIDIA aiconfigurator's tables give them. Of a collective table the rows of one GPU are taken, which must be said
// where there are several (MeasurementChoices::device). InputError with line and column at anything that is no
// measurement. Rows that repeat a shape are all kept: they are repeated measurements.
#pragma once

#include <string>
#include <string_view>

#include "analysis/calibration/measurement_choices.hpp"
#include "analysis/calibration/measurements.hpp"

namespace trainyard {

bool is_kernel_table(std::string_view text);  // by its first line
Measurements read_kernel_table(std::string_view text, const std::string& file, const MeasurementChoices& choices);

}  // namespace trainyard
