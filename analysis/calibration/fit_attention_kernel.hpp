// The fit of one attention kernel: samples of one name and pass.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/calibration/measurements.hpp"
#include "models/profile.hpp"

namespace trainyard {

using AttentionSamples = std::vector<const AttentionSample*>;

// Either kind of model; a serving engine's has a cache.
struct FittedAttention {
  AttentionModel kernel;
  std::optional<PrefillAttention> prefill;  // its `kernel` is that above
  std::vector<std::string> undetermined;    // constants that keep the base's values
  int constants = 0;                        // searched
};

Seconds predicted_time(const AttentionSample& sample, const FittedAttention& model, const DeviceProfile& device);

// At least 512 queries, and blocks of 128 for every SM: what training looks like.
bool is_short(const AttentionSample& sample);  // fewer than 512 queries
bool fills_device(const AttentionSample& sample, const DeviceProfile& device);
double head_width(const AttentionSample& sample);

// Constants that samples like these ask for: an efficiency per head width, key overhead and tail, three of the cache.
int searched_constants(const AttentionSamples& samples, bool prefill);

// At least one sample. The base's model is where the search starts and what stays of it where samples do not tell;
// without one (its efficiency is 0), the constants of FlashAttention-2 on A100.
FittedAttention fit_kernel(const AttentionSamples& samples, const FittedAttention& base, const DeviceProfile& device);

}  // namespace trainyard
