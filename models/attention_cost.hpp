// Seconds of one flash-family attention kernel alone on a GPU, one CTA per 128 queries of a head:
//   t = [Σ w / SMs + γ max w] / (η P/SMs) + 3 µs,  w = F 128 (keys + K0),  F = 2(d_qk+d_v) forward, 2(3 d_qk + 2 d_v)
// backward. keys = those the block sees; a balanced block sees the mean of the causal triangle over all keys.
#pragma once

#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

Seconds attention_time(const Attention& attention, AttentionKernel kernel, const DeviceProfile& device);

}  // namespace trainyard
