// Seconds of one operator alone on a GPU.
//
// GEMM (tile, wave and split-K model; constants fitted per device, see the profiles):
//   CTAs  = ceil(M/tm) ceil(N/tn) S batch           S-way split of K, only while CTAs <= 1.2 SMs and K/S >= 256
//   waves = (1-λ) max(1, CTAs/SMs) + λ ceil(CTAs/SMs)
//   t_mma = waves 2 tm tn (K/S + K0) / (R P/SMs e_tile)
//   t_mem = bytes / (η_bw W)
//   t     = min over tiles and S of (t_mma^q + t_mem^q)^(1/q) + t_fix
//   fp8 and NVFP4 have their own P, R and K0. The groups of a grouped GEMM fill the SMs together, none is split:
//   CTAs and bytes are those of all, e_tile is scaled by the grouped kernel's efficiency.
// Attention (flash family), one CTA per 128 queries of a head:
//   t = [Σ w / SMs + γ max w] / (η P/SMs) + 3 µs,  w = F 128 (keys + K0),  F = 2(d_qk+d_v) forward, 2(3 d_qk + 2 d_v)
//   backward. keys = those the block sees; a balanced block sees the mean of the causal triangle over all keys.
// Memory-bound: t = launches t0 + bytes / (η W).
#pragma once

#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// Dense peak of a GEMM with operands of this type; 0 where the device has none. GEMM times fall back to 16 bit there.
FlopsPerSecond gemm_peak(DataType type, const DeviceProfile& device);

// In a benchmark loop: no training derate, no wgrad slowdown.
Seconds benchmark_gemm_time(const Gemm& gemm, const DeviceProfile& device);
Seconds attention_time(const Attention& attention, AttentionKernel kernel, const DeviceProfile& device);
Seconds memory_bound_time(const MemoryBound& work, const DeviceProfile& device);

// Inside a training step.
Seconds operator_time(const Operator& op, const DeviceProfile& device, AttentionKernel kernel);

}  // namespace trainyard
