// Seconds of one operator alone on a GPU.
//
// GEMM (tile, wave and split-K model; constants fitted per device, see the profiles):
//   CTAs  = ceil(M/tm) ceil(N/tn) S batch           S-way split of K, only while CTAs <= 1.2 SMs and K/S >= 256
//   waves = (1-λ) max(1, CTAs/SMs) + λ ceil(CTAs/SMs)
//   t_mma = waves 2 tm tn (K/S + K0) / (R P/SMs e_tile)
//   t_mem = bytes / (η_bw W)
//   t     = min over tiles and S of (t_mma^q + t_mem^q)^(1/q) + t_fix
// Attention (flash family), one CTA per 128 queries of a head:
//   t = [Σ w / SMs + γ max w] / (η P/SMs) + 3 µs,  w = F 128 (keys + K0),  F = 2(d_qk+d_v) forward, 2(3 d_qk + 2 d_v)
//   backward
// Memory-bound: t = launches t0 + bytes / (η W).
#pragma once

#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// In a benchmark loop: no training derate, no wgrad slowdown.
Seconds benchmark_gemm_time(const Gemm& gemm, const DeviceProfile& device);
Seconds attention_time(const Attention& attention, AttentionKernel kernel, const DeviceProfile& device);
Seconds memory_bound_time(const MemoryBound& work, const DeviceProfile& device);

// Inside a training step.
Seconds operator_time(const Operator& op, const DeviceProfile& device, AttentionKernel kernel);

}  // namespace trainyard
