// Seconds of one GEMM alone on a GPU, by tile, wave and split-K; constants fitted per device, see the profiles:
//   CTAs  = ceil(M/tm) ceil(N/tn) S batch           S-way split of K, only while CTAs <= 1.2 SMs and K/S >= 256
//   waves = (1-λ) max(1, CTAs/SMs) + λ ceil(CTAs/SMs)
//   t_mma = waves 2 tm tn (K/S + K0) / (R P/SMs e_tile)
//   t_mem = bytes / (η_bw W)
//   t     = ratio(M,N,K) [min over tiles and S of (t_mma^q + t_mem^q)^(1/q) + t_fix]
// ratio: what measured GEMMs take of the rest of the formula, GemmSurface. fp8 and NVFP4 have their own P, R, K0 and
// ratio. It is measured on forward GEMMs and applied to input and weight gradients of the same M, N and K too.
// The groups of a grouped GEMM fill the SMs together, none is split: CTAs and bytes are those of all, e_tile is scaled
// by the grouped kernel's efficiency. Their ratio is that of one group's shape, which decides whether the tensor cores
// or the memory are the limit.
#pragma once

#include <array>
#include <cstddef>

#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// Dense peak of a GEMM with operands of this type; 0 where the device has none. GEMM times fall back to 16 bit there.
FlopsPerSecond gemm_peak(DataType type, const DeviceProfile& device);

// The knots around a shape and their weights, which sum to 1; a knot may come up twice. Needs a surface with knots.
struct SurfaceWeights {
  std::array<std::size_t, 8> knot{};  // index into GemmSurface::ratio
  std::array<double, 8> weight{};
};
SurfaceWeights surface_weights(const GemmSurface& surface, const Gemm& gemm);

// 1 on an empty surface.
double surface_ratio(const GemmSurface& surface, const Gemm& gemm);

// In a benchmark loop: no training derate, no wgrad slowdown.
Seconds benchmark_gemm_time(const Gemm& gemm, const DeviceProfile& device);

}  // namespace trainyard
