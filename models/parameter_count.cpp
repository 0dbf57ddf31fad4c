#include "models/parameter_count.hpp"

#include <algorithm>

namespace trainyard {
namespace {

struct Share {
  std::int64_t sharded = 0;
  std::int64_t replicated = 0;
  std::int64_t total() const { return sharded + replicated; }
};

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
std::int64_t mlp_matrices(const ModelShape& m) { return m.gated_mlp ? 3 : 2; }
std::int64_t norm_parameters(const ModelShape& m) { return m.norm == NormKind::layernorm ? 2 * m.hidden : m.hidden; }

std::int64_t shared_width(const MixtureOfExperts& moe) {
  return moe.shared_ffn > 0 ? moe.shared_ffn : moe.shared_experts * moe.expert_ffn;
}

Share latent_attention(const ModelShape& m, std::int64_t heads) {
  const LatentAttention& a = *m.latent_attention;
  const std::int64_t qk_dim = a.qk_nope_head_dim + a.qk_rope_head_dim;
  const std::int64_t query_input = a.q_rank > 0 ? a.q_rank : m.hidden;
  const std::int64_t query_down = a.q_rank > 0 ? m.hidden * a.q_rank + a.q_rank : 0;  // with the latent's RMSNorm
  return {.sharded = heads *
                     (query_input * qk_dim + a.kv_rank * (a.qk_nope_head_dim + a.v_head_dim) + a.v_head_dim * m.hidden),
          .replicated = query_down + m.hidden * (a.kv_rank + a.qk_rope_head_dim) + a.kv_rank};
}

Share attention(const ModelShape& m, int tp) {
  const std::int64_t heads = ceil_div(m.heads, tp);
  if (m.latent_attention) return latent_attention(m, heads);
  const std::int64_t q = heads * m.head_dim;
  const std::int64_t qkv = q + 2 * ceil_div(m.kv_heads, tp) * m.head_dim;
  return {.sharded = m.hidden * qkv + q * m.hidden + (m.linear_bias || m.qkv_bias ? qkv : 0),
          .replicated = (m.linear_bias ? m.hidden : 0) + (m.qk_norm ? 2 * m.head_dim : 0)};
}

Share mlp(const ModelShape& m, std::int64_t width, int tp) {
  const std::int64_t local = ceil_div(width, tp);
  const std::int64_t matrices = mlp_matrices(m);
  return {.sharded = matrices * m.hidden * local + (m.linear_bias ? (matrices - 1) * local : 0),
          .replicated = m.linear_bias ? m.hidden : 0};
}

std::int64_t router(const ModelShape& m) {
  return m.hidden * m.moe->experts + (m.moe->router_bias ? m.moe->experts : 0);
}

Share shared_experts(const ModelShape& m, int tp) {
  const std::int64_t width = shared_width(*m.moe);
  return width > 0 ? mlp(m, width, tp) : Share{};
}

}  // namespace

std::int64_t moe_layer_count(const ModelShape& m) {
  return m.moe ? std::max<std::int64_t>(0, m.layers - m.moe->first_dense_layers) / m.moe->layer_period : 0;
}

std::int64_t vocabulary_parameters(const ModelShape& m, int tp) { return padded_vocabulary(m, tp) / tp * m.hidden; }
std::int64_t position_parameters(const ModelShape& m) {
  return m.position == PositionEncoding::learned ? m.max_positions * m.hidden : 0;
}
std::int64_t final_norm_parameters(const ModelShape& m) { return norm_parameters(m); }

LayerParameters layer_parameters(const ModelShape& m, bool moe_layer, int tp, int ep, int etp) {
  const Share core = attention(m, tp);
  LayerParameters rank{.sharded = core.sharded, .replicated = core.replicated + 2 * norm_parameters(m)};
  const Share dense = moe_layer ? shared_experts(m, tp) : mlp(m, m.ffn, tp);
  rank.sharded += dense.sharded;
  rank.replicated += dense.replicated;
  if (moe_layer) {
    rank.replicated += router(m);
    rank.routed_experts = ceil_div(m.moe->experts, ep) * mlp(m, m.moe->expert_ffn, etp).total();
  }
  return rank;
}

LayerParameters mtp_module_parameters(const ModelShape& m, int tp, int ep, int etp) {
  LayerParameters rank = layer_parameters(m, m.moe && is_moe_layer(m, m.layers - 1), tp, ep, etp);
  rank.sharded += 2 * m.hidden * ceil_div(m.hidden, tp);
  rank.replicated += 3 * norm_parameters(m);
  return rank;
}

ParameterCount count_parameters(const ModelShape& m) { return count_parameters(m, m.vocabulary); }

ParameterCount count_parameters(const ModelShape& m, std::int64_t vocabulary) {
  const std::int64_t moe_layers = moe_layer_count(m);
  ParameterCount n{.embedding = vocabulary * m.hidden,
                   .position = position_parameters(m),
                   .attention = m.layers * attention(m, 1).total(),
                   .mlp = (m.layers - moe_layers) * mlp(m, m.ffn, 1).total(),
                   .norms = m.layers * 2 * norm_parameters(m),
                   .final_norm = norm_parameters(m),
                   .head = m.tied_embeddings ? 0 : vocabulary * m.hidden};
  std::int64_t idle_experts = 0;
  if (m.moe) {
    const std::int64_t expert = mlp(m, m.moe->expert_ffn, 1).total();
    n.router = moe_layers * router(m);
    n.routed_experts = moe_layers * m.moe->experts * expert;
    n.shared_experts = moe_layers * shared_experts(m, 1).total();
    idle_experts = moe_layers * (m.moe->experts - m.moe->top_k) * expert;
  }
  if (m.multi_token_prediction_layers > 0)
    n.mtp = m.multi_token_prediction_layers * mtp_module_parameters(m, 1).total();
  n.total = n.embedding + n.position + n.attention + n.mlp + n.router + n.routed_experts + n.shared_experts + n.norms +
            n.final_norm + n.head;
  n.active = n.total - idle_experts;
  return n;
}

std::int64_t matrix_parameters_per_token(const ModelShape& m, bool moe_layer) {
  std::int64_t core = 0;
  if (m.latent_attention) {
    const LatentAttention& a = *m.latent_attention;
    core = latent_attention(m, m.heads).total() - a.q_rank - a.kv_rank;
  } else {
    core = m.hidden * (2 * m.q_width() + 2 * m.kv_width());
  }
  const std::int64_t per_width = mlp_matrices(m) * m.hidden;
  if (!moe_layer) return core + per_width * m.ffn;
  return core + m.hidden * m.moe->experts + per_width * (m.moe->top_k * m.moe->expert_ffn + shared_width(*m.moe));
}

}  // namespace trainyard
