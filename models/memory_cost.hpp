// Bytes that one rank holds, by cause. Korthikanti et al. 2022 for what a layer saves, generalised to grouped-query
// attention, gated MLPs and flash kernels; validated on measured peaks (scenarios/published/memory_runs.csv).
#pragma once

#include <cstdint>

#include "models/model_shape.hpp"
#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// Saved by one layer's forward for its backward, per micro-batch:
//   T [8h / t_sp + (2(q+2k) + 2q + 4f|6f) / t]  (+4a/t log-sum-exp with flash, + S scores without, + masks with
//   dropout)
// selective drops the scores, full leaves the layer's input (2h / t_sp per token).
Bytes layer_activations(const ModelShape& model, const RankSlice& slice, const StackProfile& stack,
                        RecomputeKind recompute);

// Saved by the final norm, logits and loss until their backward.
Bytes head_activations(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);

// Alive only while a layer's backward runs: gradients of the widest activations (6 f T / t for gated, 4 for plain MLPs)
// and, under full recomputation, the layer's own activations again.
Bytes backward_working_set(const ModelShape& model, const RankSlice& slice, const StackProfile& stack,
                           RecomputeKind recompute);

// Reused for the whole step: gathered sequence-parallel inputs, pipelined TP communication, wgrad placeholders.
Bytes gather_buffers(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);
Bytes dummy_wgrad_buffers(const ModelShape& model, const RankSlice& slice, const StackProfile& stack, bool has_head);

struct ModelStates {
  Bytes weights{};
  Bytes gradients{};
  Bytes optimizer{};
  Bytes total() const { return weights + gradients + optimizer; }
};
// `parameters` of the rank, of which it owns the optimizer states of `owned`. Megatron mixed precision: weights 2,
// main gradients 4 (2 if reduced in 16 bit), fp32 master 4 and two Adam moments 8; fp16 with 16-bit gradients keeps a
// further fp32 copy of the gradients it owns.
ModelStates model_states(double parameters, double owned, DataType precision, DataType gradient_type);

}  // namespace trainyard
