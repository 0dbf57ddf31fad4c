// Seconds of one flash-family attention kernel alone on a GPU, one CTA per 128 queries of a head:
//   t = [Σ w / SMs + γ max w] / (η P/SMs) + 3 µs,  w = F 128 (keys + K0),  F = 2(d_qk+d_v) forward, 2(3 d_qk + 2 d_v)
// backward. keys = those the block sees; a balanced block sees the mean of the causal triangle over all keys.
// η is that of heads of 128 columns and more, 0.85 of it at 64 (FlashAttention-3 paper), a power law below; or as the
// model's measured head widths say, between which it is a power law of the width.
//
// A serving engine's prefill first copies K and V into a paged cache, its launches in `fixed` instead of the 3 µs:
//   t = fixed + tokens √(copy² + token²) + attention,  copy = 4 kv_heads (d_qk+d_v) B / (η_c HBM peak) in 16 bit,
//   token = cache_token min(1, kv_heads d_qk / 512).
// vLLM's reshape_and_cache_flash runs one block of up to 512 threads per token, so that a few KV heads cost as much as
// many. Inferred from times, not profiled: what multi-head attention takes beyond grouped-query attention in measured
// prefills grows with tokens and KV heads as this copy does, and not with the square of the length.
#pragma once

#include <cstdint>

#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

Seconds attention_time(const Attention& attention, AttentionKernel kernel, const DeviceProfile& device);
Seconds attention_time(const Attention& attention, const AttentionModel& model, const DeviceProfile& device);
// Forward only: `attention.backward` is ignored. kv_heads: those of the cache, of the same rank as `attention.heads`.
Seconds prefill_attention_time(const Attention& attention, std::int64_t kv_heads, const PrefillAttention& model,
                               const DeviceProfile& device);
// Rate of heads this wide over the model's efficiency.
double head_width_factor(const Attention& attention, const AttentionModel& model);

}  // namespace trainyard
