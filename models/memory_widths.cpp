#include "models/memory_widths.hpp"

#include <algorithm>

namespace trainyard {
namespace {

double as_double(std::int64_t n) { return static_cast<double>(n); }

void set_latent_attention(MemoryWidths& w, const LatentAttention& a) {
  w.query_rank = as_double(a.q_rank);
  w.kv_rank = as_double(a.kv_rank);
  w.rope_heads = as_double(a.qk_rope_head_dim);
  w.q = w.k = w.heads * as_double(a.qk_nope_head_dim + a.qk_rope_head_dim);
  w.v = w.context = w.heads * as_double(a.v_head_dim);
  w.latent_down = w.query_rank + w.kv_rank + w.rope_heads;
  w.latent_up = w.heads * as_double(a.qk_nope_head_dim + a.v_head_dim);
}

void set_attention(MemoryWidths& w, const ModelShape& model) {
  w.heads = as_double(model.heads) / w.t;
  if (model.latent_attention) return set_latent_attention(w, *model.latent_attention);
  w.q = w.context = as_double(model.q_width()) / w.t;
  // Key-value heads are copied where there are more ranks than heads.
  w.k = w.v = as_double(model.head_dim) * std::max(1.0, as_double(model.kv_heads) / w.t);
}

// Megatron routes the tokens that sequence parallelism left on the rank, which it requires of experts with tp > 1;
// expert tensor parallelism gathers those of its group.
void set_experts(MemoryWidths& w, const MixtureOfExperts& moe, const RankSlice& slice) {
  w.experts = as_double(moe.experts);
  w.expert_ffn = as_double(moe.expert_ffn) / slice.etp;
  w.shared_ffn = as_double(moe.shared_ffn > 0 ? moe.shared_ffn : moe.shared_experts * moe.expert_ffn) / w.t;
  w.dispatched = w.tokens / w.t * as_double(moe.top_k);
  const double share = slice.capacity_factor > 0 ? slice.capacity_factor : slice.expert_imbalance;
  w.routed = w.dispatched * slice.etp * share;
}

double activation_bytes(DataType precision) {
  return precision == DataType::fp32 || precision == DataType::tf32 ? 4.0 : 2.0;
}

}  // namespace

MemoryWidths::MemoryWidths(const ModelShape& model, const RankSlice& slice)
    : element(activation_bytes(slice.precision)),
      narrow(bytes_per_element(slice.precision) < 2.0),
      // Transformer Engine keeps one copy of a cast input, laid out for the weight gradient (module/linear.py,
      // update_usage(rowwise_usage=False)); its scaling factors, 1/32 of it at most, are left out.
      operand(narrow ? bytes_per_element(slice.precision) : element),
      attended(narrow && slice.fp8_attention ? bytes_per_element(DataType::fp8) : element),
      t(slice.tp),
      t_sp(slice.sequence_parallel ? slice.tp : 1.0),
      tokens(as_double(slice.tokens())),
      hidden(as_double(model.hidden)),
      up(model.gated_mlp ? 2.0 : 1.0),
      ffn(as_double(model.ffn) / slice.tp),
      vocabulary(as_double(padded_vocabulary(model, slice.tp)) / slice.tp) {
  set_attention(*this, model);
  if (model.moe) set_experts(*this, *model.moe, slice);
}

}  // namespace trainyard
