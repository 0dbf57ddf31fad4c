// A fitted attention kernel as a profile writes it, and how well it explains its samples.
#pragma once

#include <string>
#include <vector>

#include "analysis/calibration/fit_attention_kernel.hpp"
#include "analysis/calibration/fit_report.hpp"

namespace trainyard {

// "[0.69, 200, 0.5]", or a mapping where there are head widths or a cache.
std::string attention_value(const FittedAttention& model);

// Of at least one sample.
Residuals attention_residuals(const AttentionSamples& samples, const FittedAttention& model,
                              const DeviceProfile& device, std::string of, bool held_out);
// "median 4.2 %, p90 12.1 % on 526 held-out samples"
std::string attention_residual_text(const Residuals& residuals);

// Time over length of the heads and batch that were measured at most lengths; none of fewer than three lengths.
std::vector<FitCurve> attention_curves(const AttentionSamples& samples, const FittedAttention& model,
                                       const DeviceProfile& device, const std::string& constant);

// The kernel's name, the file and the number of samples.
std::string attention_source(const AttentionSamples& samples);

}  // namespace trainyard
