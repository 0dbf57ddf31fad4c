// Bytes that one rank holds, by cause. Korthikanti et al. 2022 for what a layer saves, generalised to grouped-query
// attention, gated MLPs and flash kernels; validated on measured peaks (scenarios/published/memory_runs.csv).
#pragma once

#include <cstdint>

#include "models/model_shape.hpp"
#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// Saved by one layer's forward for its backward, per micro-batch, in 16 bit:
//   T [8h / t_sp + (2(q+k+v) + 2q + 4f|6f) / t]  (+4a/t log-sum-exp with flash, + S scores without, + masks with
//   dropout), T = tokens of this rank
// Latent attention adds its latents, before and after their norms, 2(2r_q + 2r_kv + d_rope) / t_sp. A mixture of
// experts has for f its shared experts, and R [2h + 4f_e|6f_e + 4] for the R token copies its routed experts compute,
// + 2h where their outputs are weighted afterwards, + 17 E / t_sp for the router. In 8 bit the linear layers keep the
// cast of their inputs only. Context parallelism keeps its own K and V; all-to-all over heads keeps the core's output
// twice. selective drops its modules' tensors, full leaves the layer's input (2h / t_sp per token).
Bytes layer_activations(const ModelShape& model, bool moe, const RankSlice& slice, const StackProfile& stack,
                        const LayerRecompute& recompute);
// What stays alive until the weight gradients of a split backward have run: the inputs of every linear layer and the
// gradients of its outputs, as their GEMMs read them.
Bytes weight_gradient_store(const ModelShape& model, bool moe, const RankSlice& slice, const StackProfile& stack);

// Saved by the final norm, logits and loss until their backward.
Bytes head_activations(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);
// Saved by a multi-token-prediction module beside its layer and its head: the projection's input and the norms'.
Bytes prediction_activations(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);

// Alive only while a layer's backward runs: the largest of the gradients inside its MLP (6 f T / t gated, 4 plain), its
// experts and its attention, and what is recomputed.
Bytes backward_working_set(const ModelShape& model, bool moe, const RankSlice& slice, const StackProfile& stack,
                           const LayerRecompute& recompute);

// Communication buffers, which the allocator keeps for the whole step: gathered sequence-parallel inputs, pipelined TP
// communication, and what context- and expert-parallel exchanges send and receive.
Bytes gather_buffers(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);
// What Transformer Engine hands to autograd in place of weight gradients it has added to the main gradient: one tensor
// per distinct weight shape of the stage (module/base.py, get_dummy_wgrad), one for all experts.
struct StageContents {
  bool dense_layers = true;
  bool moe_layers = false;
  bool head = false;
  bool prediction = false;  // a multi-token-prediction module's projection
};
Bytes dummy_wgrad_buffers(const ModelShape& model, const StageContents& contents, const RankSlice& slice,
                          const StackProfile& stack);

// Device memory of NCCL outside the framework's allocator, per communicator: for each channel, peer and direction the
// buffers of its three protocols at their default sizes (NCCL init.cc: 8 steps; LL 512 threads x 8 lines of 16 B, LL128
// 640 threads x 120 elements of 8 B, Simple 4 MiB).
Bytes nccl_buffers(int channels, int peers, int directions = 2);

struct ModelStates {
  Bytes weights{};
  Bytes gradients{};
  Bytes optimizer{};
  Bytes total() const { return weights + gradients + optimizer; }
};
// `parameters` of the rank, of which it owns the optimizer states of `owned`. Megatron mixed precision: weights 2,
// main gradients 4 (2 if reduced in 16 bit), fp32 master 4 and two Adam moments 8; fp16 with 16-bit gradients keeps a
// further fp32 copy of the gradients it owns. fp8_parameters: kept in 8 bit, once as the forward and once, transposed
// or with other scales, as the input gradient reads them (Hopper and every block-scaled recipe need both).
ModelStates model_states(double parameters, double owned, DataType precision, DataType gradient_type,
                         bool fp8_parameters = false);

}  // namespace trainyard
