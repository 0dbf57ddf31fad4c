// Projections around the attention core: grouped-query attention and DeepSeek's latent attention (arXiv 2405.04434
// section 2.1, trained un-absorbed as Megatron-core's multi_latent_attention.py).
#include "models/operators_builder.hpp"

namespace trainyard {
namespace {

void rope(LayerBuilder& b) {
  if (b.model().position != PositionEncoding::rope) return;
  const bool fused = b.stack().fused_rope;
  const double passes = fused ? 2.0 : 8.0;  // unfused: rotate-half, two products and a sum, each R+W
  std::int64_t width = b.q_width() + b.k_width();
  // Latent attention rotates d_r of a query head and one key part that all heads share.
  if (b.model().latent_attention) width = (b.heads() + 1) * b.model().latent_attention->qk_rope_head_dim;
  b.memory("rope", passes * b.activation_bytes(width), MemoryKind::layout, fused ? 2 : 8);
}

// Copies of Q, K and V; of latent attention the concatenation of their two parts.
void qkv_copies(LayerBuilder& b) {
  if (b.stack().qkv_copies <= 0) return;
  b.memory("qkv_layout", 2.0 * b.stack().qkv_copies * b.activation_bytes(b.qkv_width()), MemoryKind::layout);
}

// --- latent attention ---

struct Latent {
  std::int64_t q_rank;  // 0: the query is projected from the hidden state
  std::int64_t kv_rank;
  std::int64_t shared_key;  // the rotated key part that all heads share
  std::int64_t kv_up;       // output of the key and value up-projection on this rank
  explicit Latent(const LayerBuilder& b)
      : q_rank(b.model().latent_attention->q_rank),
        kv_rank(b.model().latent_attention->kv_rank),
        shared_key(b.model().latent_attention->qk_rope_head_dim),
        kv_up(b.heads() * b.model().latent_attention->qk_nope_head_dim + b.v_width()) {}
};

// Down-projections are replicated over tensor parallelism and work on the rank's own tokens.
void down_projection(LayerBuilder& b, std::string_view name, std::int64_t n) {
  b.quantise("quantise_input", b.elements(b.local_tokens(), b.hidden()));
  b.gemm(name, {.m = b.local_tokens(), .n = n, .k = b.hidden(), .type = b.linear_type()});
}
void down_projection_backward(LayerBuilder& b, std::string_view dgrad, std::string_view wgrad, std::int64_t n) {
  b.quantise("quantise_gradient", b.elements(b.local_tokens(), n));
  b.gemm(dgrad, {.m = b.local_tokens(), .n = b.hidden(), .k = n, .type = b.linear_type()});
  b.wgrad(wgrad, {.m = n, .n = b.hidden(), .k = b.local_tokens(), .type = b.linear_type()});
}

void latent_norms(LayerBuilder& b, std::string_view name, double passes) {
  const Latent latent(b);
  const double width = b.elements(b.local_tokens(), latent.q_rank + latent.kv_rank);
  b.memory(name, Bytes(passes * b.beta() * width), MemoryKind::fused, latent.q_rank > 0 ? 2 : 1);
}

void shared_key_collective(LayerBuilder& b, CollectiveKind kind) {
  if (b.slice().sequence_parallel || kind == CollectiveKind::all_reduce)
    b.tensor_collective(kind, b.activation_bytes(Latent(b).shared_key));
}

// From the latents to Q, K and V of this rank's heads.
void up_projections(LayerBuilder& b) {
  const Latent latent(b);
  if (latent.q_rank > 0) b.column_forward("q_up_proj", b.q_width(), latent.q_rank);
  b.column_forward("kv_up_proj", latent.kv_up, latent.kv_rank);
  shared_key_collective(b, CollectiveKind::all_gather);
  rope(b);
  qkv_copies(b);
}

void latent_projections(LayerBuilder& b) {
  const Latent latent(b);
  if (latent.q_rank > 0) {
    down_projection(b, "q_down_proj", latent.q_rank);
  } else {
    b.column_forward("q_proj", b.q_width(), b.hidden());
  }
  down_projection(b, "kv_down_proj", latent.kv_rank + latent.shared_key);
  latent_norms(b, "latent_norm", b.stack().rms_norm_passes_forward);
  up_projections(b);
}

void latent_projections_backward(LayerBuilder& b) {
  const Latent latent(b);
  qkv_copies(b);
  rope(b);
  const bool reduce_scatter = b.slice().sequence_parallel;
  shared_key_collective(b, reduce_scatter ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce);
  b.column_backward({"kv_up_proj_dgrad", "kv_up_proj_wgrad", latent.kv_up, latent.kv_rank, b.linear_type()});
  if (latent.q_rank > 0)
    b.column_backward({"q_up_proj_dgrad", "q_up_proj_wgrad", b.q_width(), latent.q_rank, b.linear_type()});
  latent_norms(b, "latent_norm_backward", b.stack().rms_norm_passes_backward);
  down_projection_backward(b, "kv_down_proj_dgrad", "kv_down_proj_wgrad", latent.kv_rank + latent.shared_key);
  if (latent.q_rank > 0) {
    down_projection_backward(b, "q_down_proj_dgrad", "q_down_proj_wgrad", latent.q_rank);
  } else {
    b.column_backward({"q_proj_dgrad", "q_proj_wgrad", b.q_width(), b.hidden(), b.linear_type()});
  }
}

}  // namespace

void attention_block_forward(LayerBuilder& b) {
  b.norm_forward();
  if (b.model().latent_attention) {
    latent_projections(b);
  } else {
    b.column_forward("qkv_proj", b.qkv_width(), b.hidden());
    qkv_copies(b);
    rope(b);
  }
  attention_core_forward(b);
  b.row_forward("out_proj", b.hidden(), b.context_width());
  b.residual_forward();
}

void attention_block_backward(LayerBuilder& b, const LayerRecompute& recompute) {
  b.residual_backward();
  b.row_backward({"out_proj_dgrad", "out_proj_wgrad", b.hidden(), b.context_width(), b.linear_type()});
  if (recompute.has(recompute_layernorm)) b.norm_forward();
  const bool latent = b.model().latent_attention.has_value();
  if (latent && recompute.has(recompute_mla_up_proj)) up_projections(b);
  if (recompute.has(recompute_core_attn)) attention_core_forward(b);
  attention_core_backward(b);
  if (latent) {
    latent_projections_backward(b);
  } else {
    rope(b);
    qkv_copies(b);
    b.column_backward({"qkv_proj_dgrad", "qkv_proj_wgrad", b.qkv_width(), b.hidden(), b.linear_type()});
  }
  b.norm_backward();
}

}  // namespace trainyard
