// GEMM times → the constants of the GEMM formula and the surfaces of ratios (models/gemm_cost.hpp), per type of the
// operands: 16 bit first, whose tiles, waves and memory the others share, then fp8 with a scale per tensor, then NVFP4.
//   gemm.*          of forward, dgrad and square GEMMs in 16 bit
//   fp8.*, fp4.*    sustained, k_overhead and surface. Where the times hold the cast of A from 16 bit, as those of
//                   inference frameworks do, it is fitted along and taken out
//   wgrad_slowdown  weight-gradient GEMMs in 16 bit over what the formula gives for their shape
// fp8 with a scale per block is compared with what scales per tensor would take; nothing is fitted to it. Batched and
// grouped GEMMs, and types without tensor cores in the base profile, are left out with a note.
#pragma once

#include <vector>

#include "analysis/calibration/fit_report.hpp"
#include "analysis/calibration/measurements.hpp"

namespace trainyard {

// Residuals are those of samples that the fit has not seen: whole (n, k) pairs, and single points. Samples whose shape
// or time is not above 0 count as left out. Never throws; deterministic.
FitReport fit_gemms(const std::vector<GemmSample>& samples, const DeviceProfile& base);

}  // namespace trainyard
