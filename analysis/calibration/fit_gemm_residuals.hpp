// How well a fitted GEMM formula explains samples, and pictures of it.
#pragma once

#include <string>
#include <vector>

#include "analysis/calibration/fit_gemm_formula.hpp"
#include "analysis/calibration/fit_report.hpp"

namespace trainyard {

enum class GemmSplit { pairs, points };  // what is left out of the fit: whole (n, k), or single (m, n, k)
bool left_out(const GemmSample& sample, GemmSplit split);

// Of all, of m >= 512, of m, n and k >= 512, and of sums of four GEMMs of the same m (as a transformer block's), where
// there are samples for them.
std::vector<Residuals> gemm_residuals(const GemmSamples& samples, const GemmFormula& formula, const std::string& of,
                                      bool held_out);
Residuals residuals_of(const GemmSamples& samples, const GemmFormula& formula, std::string of, bool held_out);

// Rate over m of a big and of a small weight matrix.
std::vector<FitCurve> gemm_curves(const GemmSamples& samples, const GemmFormula& formula, const std::string& of);

// "median 4.2 %, p90 12.1 % on 3574 held-out samples"
std::string residual_text(const Residuals& residuals);

}  // namespace trainyard
