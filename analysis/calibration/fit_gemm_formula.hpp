// The constants of the GEMM formula (models/gemm_cost.hpp) that explain measured times best: the least sum of Huber's
// function of log(predicted / measured), so that a few wild samples do not pull. Constants stay within physical bounds
// and near those of the base profile unless the samples say otherwise.
#pragma once

#include <string>
#include <vector>

#include "analysis/calibration/measurements.hpp"

namespace trainyard {

using GemmSamples = std::vector<const GemmSample*>;

// Kernel that brings A from 16 bit to the type of the GEMM, a block of threads per row:
//   fixed + m sqrt(per_row^2 + (k per_element)^2)
// Tables of inference frameworks time it with the GEMM; the cost models charge it apart. All 0: the times do not hold
// it.
struct OperandCast {
  Seconds fixed{};
  Seconds per_row{};      // block starts limit, short rows
  Seconds per_element{};  // bandwidth limits
  friend bool operator==(const OperandCast&, const OperandCast&) = default;
};

struct GemmFormula {
  DeviceProfile device;
  DataType type = DataType::bf16;
  OperandCast cast;
  std::vector<std::string> fitted;  // constants that the samples determine; the others are those of the base
  std::vector<std::string> notes;   // why not, and what to measure
  bool complete = false;            // all constants were searched: a surface can be fitted to what they leave
};

// As the samples were measured: the cast included.
Seconds sample_time(const GemmFormula& formula, const Gemm& gemm);

// The surface that belongs to the type.
GemmSurface& surface_of(DeviceProfile& device, DataType type);

// Samples of one type (bf16 stands for both 16-bit ones). With too few of them to tell all constants, or a measured
// surface in the base that has more numbers than there are samples, only the sustained rate is fitted and the surface
// stays; else the fitted constants are those without a surface, and it is empty. Deterministic.
GemmFormula fit_gemm_formula(const GemmSamples& samples, DataType type, const DeviceProfile& base);

}  // namespace trainyard
