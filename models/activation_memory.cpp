// What a layer's forward keeps for its backward, tensor by tensor.
#include "models/memory_cost.hpp"
#include "models/memory_widths.hpp"

namespace trainyard {
namespace {

// Bytes of one layer and micro-batch by owner, in the order of the forward.
struct SavedTensors {
  double norm_inputs = 0;
  double norm_outputs = 0;  // inputs of the linear layers behind the norms
  double dropout_masks = 0;
  double latents = 0;         // outputs of latent attention's down-projections
  double normed_latents = 0;  // inputs of its up-projections
  double qkv = 0;
  double unfused_rope = 0;
  double context = 0;
  double log_sum_exp = 0;
  double scores = 0;
  double mlp = 0;  // of a dense layer
  double router = 0;
  double expert_inputs = 0;
  double expert_up = 0;
  double expert_activation = 0;
  double expert_outputs = 0;
  double shared_experts = 0;

  double total() const {
    return norm_inputs + norm_outputs + dropout_masks + latents + normed_latents + qkv + unfused_rope + context +
           log_sum_exp + scores + mlp + router + expert_inputs + expert_up + expert_activation + expert_outputs +
           shared_experts;
  }
};

bool dropout(const ModelShape& model, const StackProfile& stack) { return stack.dropout || model.dropout > 0; }
bool exchanges_heads(const RankSlice& slice) {
  return slice.cp > 1 &&
         (slice.cp_kind == ContextParallelKind::ulysses || slice.cp_kind == ContextParallelKind::hierarchical);
}

// Bytes per element of a 16-bit tensor that `readers` linear layers keep: in 16 bit they share it, in 8 bit each keeps
// its own cast.
double linear_inputs(const MemoryWidths& w, int readers) { return w.narrow ? readers * w.operand : w.element; }

double norm_outputs(const MemoryWidths& w, bool latent, bool moe, const StackProfile& stack) {
  double bytes = linear_inputs(w, latent ? 2 : 1);  // queries and keys are compressed by two linear layers
  // The router reads its input in 16 bit; only shared experts cast it.
  bytes += !moe ? w.operand : w.element + (w.narrow && w.shared_ffn > 0 ? w.operand : 0.0);
  return (bytes + 2.0 * stack.norm_saved_extra) * w.hidden * w.local_tokens();
}

// The attention core and the output projection share the core's output, unless it is cast in between or, after an
// all-to-all over heads, lies in another order (Transformer Engine from 2.8, context_parallel.py).
double context(const MemoryWidths& w, const RankSlice& slice) {
  const bool apart = w.narrow || exchanges_heads(slice);
  return (apart ? w.attended + w.operand : w.element) * w.context * w.tokens;
}

double scores(const ModelShape& model, const MemoryWidths& w, const RankSlice& slice, const StackProfile& stack) {
  const double bytes = stack.score_memory + (dropout(model, stack) ? stack.dropout_score_memory : 0.0);
  return bytes * w.heads * w.tokens * static_cast<double>(slice.sequence_length);
}

// Context parallelism keeps the rank's own K and V whatever way they travel: Transformer Engine sends or gathers them
// again in the backward.
void save_attention(SavedTensors& s, const ModelShape& model, const MemoryWidths& w, const RankSlice& slice,
                    const StackProfile& stack) {
  if (model.latent_attention) {
    s.latents = w.element * w.latent_down * w.local_tokens();
    s.normed_latents = w.operand * (w.query_rank + w.kv_rank) * w.local_tokens();
  }
  s.qkv = w.attended * (w.q + w.k + w.v) * w.tokens;
  if (model.position == PositionEncoding::rope && !stack.fused_rope)
    s.unfused_rope = w.element * (model.latent_attention ? (w.heads + 1) * w.rope_heads : w.q + w.k) * w.tokens;
  s.context = context(w, slice);
  if (stack.attention == AttentionKernel::materialised)
    s.scores = scores(model, w, slice, stack);
  else
    s.log_sum_exp = 4.0 * w.heads * w.tokens;
}

// Per token and expert: fp32 scores and probabilities, the byte-wide routing map and the permutation's two row indices
// of 4 bytes (Megatron-core moe_utils.py, Transformer Engine permutation.py).
constexpr double router_bytes_per_expert = 4.0 + 4.0 + 1.0 + 2.0 * 4.0;
constexpr double probability_bytes = 4.0;  // fp32, one per routed token

void save_experts(SavedTensors& s, const MemoryWidths& w, const StackProfile& stack) {
  s.router = router_bytes_per_expert * w.experts * w.local_tokens();
  s.expert_inputs = w.operand * w.hidden * w.routed;
  s.expert_up = (w.element * w.up * w.expert_ffn + probability_bytes) * w.routed;
  s.expert_activation = w.operand * w.expert_ffn * w.routed;
  if (stack.expert_outputs_weighted) s.expert_outputs = w.element * w.hidden * w.dispatched;
  s.shared_experts = (w.element * w.up + w.operand) * w.shared_ffn * w.tokens;
}

SavedTensors saved_by_forward(const ModelShape& model, bool moe, const RankSlice& slice, const StackProfile& stack) {
  const MemoryWidths w(model, slice);
  SavedTensors s;
  s.norm_inputs = 2.0 * w.element * w.hidden * w.local_tokens();
  s.norm_outputs = norm_outputs(w, model.latent_attention.has_value(), moe, stack);
  if (dropout(model, stack)) s.dropout_masks = 2.0 * w.hidden * w.local_tokens();
  save_attention(s, model, w, slice, stack);
  if (moe)
    save_experts(s, w, stack);
  else
    s.mlp = (w.element * w.up + w.operand) * w.ffn * w.tokens;
  return s;
}

// A module recomputed by checkpoint keeps its input, which is listed with what wrote it; one whose output is discarded
// (layernorm, moe_act, mla_up_proj) keeps its input too.
void drop_recomputed(SavedTensors& s, const LayerRecompute& recompute) {
  if (recompute.has(recompute_core_attn)) s.scores = 0;
  if (recompute.has(recompute_layernorm)) s.norm_outputs = 0;
  if (recompute.has(recompute_mla_up_proj) && s.latents > 0) s.normed_latents = s.qkv = s.unfused_rope = 0;
  if (recompute.has(recompute_mlp)) s.mlp = 0;
  if (recompute.has(recompute_moe_act)) s.expert_activation = 0;
  if (recompute.has(recompute_shared_experts)) s.shared_experts = 0;
  if (recompute.has(recompute_moe))
    s.router = s.expert_inputs = s.expert_up = s.expert_activation = s.expert_outputs = s.shared_experts = 0;
}

double attention_weight_gradients(const ModelShape& model, const MemoryWidths& w) {
  const double output = (w.context + w.hidden) * w.tokens;
  if (!model.latent_attention) return output + (w.hidden + w.q + w.k + w.v) * w.tokens;
  // The down-projections are replicated: they read the rank's own tokens.
  const double down = (w.hidden + w.latent_down) * w.local_tokens();
  const double query_up = (w.query_rank > 0 ? w.query_rank : w.hidden) + w.q;
  return output + down + (query_up + w.kv_rank + w.latent_up) * w.tokens;
}

double mlp_weight_gradients(const MemoryWidths& w, double ffn, double tokens) {
  return (w.hidden + w.up * ffn + ffn + w.hidden) * tokens;
}

}  // namespace

Bytes layer_activations(const ModelShape& model, bool moe, const RankSlice& slice, const StackProfile& stack,
                        const LayerRecompute& recompute) {
  if (recompute.kind == Recompute::full) {
    const MemoryWidths w(model, slice);
    return Bytes(w.element * w.hidden * w.local_tokens());
  }
  SavedTensors saved = saved_by_forward(model, moe, slice, stack);
  drop_recomputed(saved, recompute);
  return Bytes(saved.total());
}

// Transformer Engine defers a weight gradient with its operands as the GEMM reads them, gathered over the sequence
// (WeightGradStore.put); the router is no linear layer of its and is not deferred.
Bytes weight_gradient_store(const ModelShape& model, bool moe, const RankSlice& slice, const StackProfile&) {
  const MemoryWidths w(model, slice);
  double elements = attention_weight_gradients(model, w);
  if (!moe) return Bytes(w.operand * (elements + mlp_weight_gradients(w, w.ffn, w.tokens)));
  elements += mlp_weight_gradients(w, w.expert_ffn, w.routed);
  if (w.shared_ffn > 0) elements += mlp_weight_gradients(w, w.shared_ffn, w.tokens);
  return Bytes(w.operand * elements);
}

}  // namespace trainyard
