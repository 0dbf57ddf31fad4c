// Seconds of one operator inside a training step. Memory-bound kernels: t = launches t0 + bytes / (η W). Attention:
// attention_cost. GEMMs: gemm_cost, slowed down by the clock that a step's power leaves:
//   t = t_benchmark / (1 - (1 - d) u²),  u = FLOPs / (t_benchmark R P) of a GEMM that keeps the tensor cores busy, <= 1
// d = the device's training_derate. Short benchmark loops reach 0.91 of A100's peak on large GEMMs where loops that
// heat the GPU reach 0.79, and agree with them on small ones; training steps show the same.
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
