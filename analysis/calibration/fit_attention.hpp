// Constants of attention kernels (models/attention_cost.hpp) from measured times. What a sample serves follows from its
// kernel's name and pass:
//   sdpa_flash, flash_attn…             attention.flash2   PyTorch's flash backend is FlashAttention-2 on every GPU
//   sdpa_cudnn, …fa3, flash_attn_3      attention.flash3   FlashAttention-3 and cuDNN's fused attention
//   sdpa_efficient                      attention.flash1   the generation before FlashAttention-2
//   vllm…, sglang…, trtllm…, flashinfer…   attention.prefill.forward, with the copy into the engine's cache
// Others (naive, blockwise, sdpa_math, decode kernels) are what no training step runs: a note counts them. Of several
// kernels for the same constants the one with most samples is taken.
//
// Fitted are samples of at least 512 queries with a block of 128 queries for every SM; smaller ones, which serving
// engines run split along the keys, are only predicted, and their errors told apart. One efficiency per head width;
// key overhead, tail and cache are common to all widths.
#pragma once

#include <vector>

#include "analysis/calibration/fit_report.hpp"
#include "analysis/calibration/measurements.hpp"
#include "models/profile.hpp"

namespace trainyard {

// One constant per kernel generation and pass that was measured. Held out of a fit are a tenth of the (heads, KV heads,
// head width) where that leaves enough. Samples that are not positive and finite, and quantised ones, are left out.
FitReport fit_attention(const std::vector<AttentionSample>& samples, const DeviceProfile& base);

}  // namespace trainyard
