#include "models/memory_cost.hpp"

#include <algorithm>

namespace trainyard {
namespace {

constexpr double half = 2.0;  // bytes of an activation element

struct Widths {
  double tokens, hidden, q, kv, ffn, heads, vocabulary, t, t_sp;
};
Widths widths(const ModelShape& model, const RankSlice& slice) {
  Widths w{};
  w.t = slice.tp;
  w.t_sp = slice.sequence_parallel ? w.t : 1.0;
  w.tokens = static_cast<double>(slice.tokens());
  w.hidden = static_cast<double>(model.hidden);
  w.q = static_cast<double>(model.q_width()) / w.t;
  w.kv = static_cast<double>(model.head_dim) * std::max(1.0, static_cast<double>(model.kv_heads) / w.t);
  w.ffn = static_cast<double>(model.ffn) / w.t;
  w.heads = static_cast<double>(model.heads) / w.t;
  w.vocabulary = static_cast<double>(padded_vocabulary(model, slice.tp)) / w.t;
  return w;
}

bool dropout(const ModelShape& model, const StackProfile& stack) { return stack.dropout || model.dropout > 0; }

}  // namespace

Bytes layer_activations(const ModelShape& model, const RankSlice& slice, const StackProfile& stack,
                        RecomputeKind recompute) {
  const Widths w = widths(model, slice);
  if (recompute == RecomputeKind::full) return Bytes(half * w.tokens * w.hidden / w.t_sp);
  // Inputs and outputs of both norms; what an unfused norm keeps besides.
  double per_token = (4.0 * half + 2.0 * stack.norm_saved_extra) * w.hidden / w.t_sp;
  if (dropout(model, stack)) per_token += 2.0 * w.hidden / w.t_sp;
  per_token += half * (w.q + 2.0 * w.kv) + half * w.q;
  if (model.position == PositionEncoding::rope && !stack.fused_rope) per_token += half * (w.q + w.kv);
  per_token += half * (model.gated_mlp ? 3.0 : 2.0) * w.ffn;
  const bool flash = stack.attention != AttentionKernel::materialised;
  if (flash) per_token += 4.0 * w.heads;
  double scores = 0;
  if (!flash && recompute == RecomputeKind::none) {
    const double bytes = stack.score_memory + (dropout(model, stack) ? stack.dropout_score_memory : 0.0);
    scores = bytes * w.heads * w.tokens * static_cast<double>(slice.sequence_length);
  }
  return Bytes(per_token * w.tokens + scores);
}

Bytes head_activations(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  const Widths w = widths(model, slice);
  const double per_logit = stack.loss_memory_per_logit + 4.0 * stack.logits_copies;
  return Bytes(w.tokens * (per_logit * w.vocabulary + 2.0 * half * w.hidden / w.t_sp));
}

Bytes backward_working_set(const ModelShape& model, const RankSlice& slice, const StackProfile& stack,
                           RecomputeKind recompute) {
  const Widths w = widths(model, slice);
  Bytes set(w.tokens * half * (model.gated_mlp ? 3.0 : 2.0) * w.ffn);
  if (recompute == RecomputeKind::full) set += layer_activations(model, slice, stack, RecomputeKind::none);
  if (recompute == RecomputeKind::selective && stack.attention == AttentionKernel::materialised)
    set += layer_activations(model, slice, stack, RecomputeKind::none) -
           layer_activations(model, slice, stack, RecomputeKind::selective);
  return set;
}

Bytes gather_buffers(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  if (slice.tp == 1) return Bytes(0);
  const Widths w = widths(model, slice);
  const double gathered = half * w.tokens * w.hidden;
  double buffers = slice.sequence_parallel ? 2.0 : 1.0;
  if (stack.tp_overlap == TpOverlap::userbuffers && slice.sequence_parallel) buffers += 4.0;  // qkv, proj, fc1, fc2
  return Bytes(buffers * gathered);
}

Bytes dummy_wgrad_buffers(const ModelShape& model, const RankSlice& slice, const StackProfile& stack, bool has_head) {
  if (!stack.dummy_wgrads) return Bytes(0);
  const Widths w = widths(model, slice);
  double elements = w.hidden * (w.q + 2.0 * w.kv) + w.q * w.hidden + (model.gated_mlp ? 2.0 : 1.0) * w.hidden * w.ffn +
                    w.ffn * w.hidden;
  if (has_head) elements += w.hidden * w.vocabulary;
  return Bytes(half * elements);
}

ModelStates model_states(double parameters, double owned, DataType precision, DataType gradient_type) {
  if (precision == DataType::fp32) return {Bytes(4 * parameters), Bytes(4 * parameters), Bytes(8 * owned)};
  const double gradient = bytes_per_element(gradient_type);
  double optimizer = 12.0 * owned;
  if (precision == DataType::fp16 && gradient < 4.0) optimizer += 4.0 * owned;
  return {Bytes(half * parameters), Bytes(gradient * parameters), Bytes(optimizer)};
}

}  // namespace trainyard
