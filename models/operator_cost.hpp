// Seconds of one operator inside a training step. GEMMs and attention: gemm_cost, attention_cost, and how much slower
// they run there than in a benchmark loop. Memory-bound kernels: t = launches t0 + bytes / (η W).
#pragma once

#include "models/attention_cost.hpp"
#include "models/gemm_cost.hpp"
#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

Seconds memory_bound_time(const MemoryBound& work, const DeviceProfile& device);

Seconds operator_time(const Operator& op, const DeviceProfile& device, AttentionKernel kernel);

}  // namespace trainyard
