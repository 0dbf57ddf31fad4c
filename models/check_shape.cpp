#include "models/check_shape.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace trainyard {
namespace {

struct Range {
  std::string_view key;
  std::int64_t value;
  std::int64_t low;
  std::int64_t high;
};

std::optional<ShapeProblem> outside(const Range& r) {
  if (r.value >= r.low && r.value <= r.high) return std::nullopt;
  return ShapeProblem{r.key, fmt::format("{} is {}, outside {} to {}", r.key, r.value, r.low, r.high), {}};
}

template <class Ranges>
std::optional<ShapeProblem> first_outside(const Ranges& ranges) {
  for (const Range& r : ranges)
    if (auto problem = outside(r)) return problem;
  return std::nullopt;
}

std::optional<ShapeProblem> check_dimensions(const ModelShape& m) {
  const std::array ranges = {Range{"num_layers", m.layers, 1, max_model_layers},
                             Range{"hidden_size", m.hidden, 1, max_model_width},
                             Range{"num_attention_heads", m.heads, 1, max_model_width},
                             Range{"num_query_groups", m.kv_heads, 1, max_model_width},
                             Range{"kv_channels", m.head_dim, 1, max_model_width},
                             Range{"ffn_hidden_size", m.ffn, 1, max_model_width},
                             Range{"vocab_size", m.vocabulary, 1, max_model_width},
                             Range{"max_position_embeddings", m.max_positions, 0, max_model_positions},
                             Range{"window_size", m.sliding_window, 0, max_model_positions},
                             Range{"mtp_num_layers", m.multi_token_prediction_layers, 0, 100}};
  return first_outside(ranges);
}

std::optional<ShapeProblem> check_attention(const ModelShape& m) {
  if (m.heads % m.kv_heads != 0)
    return ShapeProblem{"num_query_groups",
                        fmt::format("{} query heads are not divisible by {} key-value heads", m.heads, m.kv_heads),
                        "each key-value head serves the same number of query heads"};
  if (m.position == PositionEncoding::learned && m.max_positions == 0)
    return ShapeProblem{"position_embedding_type", "learned positions need max_position_embeddings", {}};
  if (!m.latent_attention) return std::nullopt;
  const LatentAttention& a = *m.latent_attention;
  const std::array ranges = {
      Range{"multi_latent_attention.q_lora_rank", a.q_rank, 0, max_model_width},
      Range{"multi_latent_attention.kv_lora_rank", a.kv_rank, 1, max_model_width},
      Range{"multi_latent_attention.qk_head_dim", a.qk_nope_head_dim, 1, max_model_width},
      Range{"multi_latent_attention.qk_pos_emb_head_dim", a.qk_rope_head_dim, 0, max_model_width},
      Range{"multi_latent_attention.v_head_dim", a.v_head_dim, 1, max_model_width}};
  if (auto problem = first_outside(ranges)) return problem;
  if (m.linear_bias || m.qkv_bias)
    return ShapeProblem{"multi_latent_attention", "multi-latent attention with biases is not modelled", {}};
  if (m.kv_heads != m.heads)
    return ShapeProblem{"num_query_groups", "multi-latent attention has no query groups", "leave num_query_groups out"};
  return std::nullopt;
}

// Group-limited routing: a token's experts come from its best groups (DeepSeek-V2, arXiv 2405.04434 section 2.2.2).
std::optional<ShapeProblem> check_routing_groups(const MixtureOfExperts& e) {
  const std::int64_t groups = e.routing_groups, top = e.routing_top_groups;
  if (groups == 0 && top == 0) return std::nullopt;
  if (groups == 0 || top == 0)
    return ShapeProblem{groups == 0 ? "moe.router_group_topk" : "moe.router_num_groups",
                        "router_num_groups and router_group_topk need each other",
                        {}};
  if (e.experts % groups != 0)
    return ShapeProblem{"moe.router_num_groups",
                        fmt::format("{} experts are not divisible by {} routing groups", e.experts, groups),
                        {}};
  if (top > groups || e.top_k > top * (e.experts / groups))
    return ShapeProblem{"moe.router_group_topk",
                        fmt::format("{} of {} groups do not hold {} experts for a token", top, groups, e.top_k),
                        {}};
  return std::nullopt;
}

std::optional<ShapeProblem> check_experts(const ModelShape& m) {
  if (!m.moe) return std::nullopt;
  const MixtureOfExperts& e = *m.moe;
  const std::array ranges = {Range{"moe.num_experts", e.experts, 1, 1'000'000},
                             Range{"moe.router_topk", e.top_k, 1, 1'000'000},
                             Range{"moe.ffn_hidden_size", e.expert_ffn, 1, max_model_width},
                             Range{"moe.shared_experts", e.shared_experts, 0, 1'000'000},
                             Range{"moe.shared_ffn_hidden_size", e.shared_ffn, 0, max_model_width},
                             Range{"moe.first_dense_layers", e.first_dense_layers, 0, m.layers},
                             Range{"moe.layer_freq", e.layer_period, 1, m.layers},
                             Range{"moe.router_num_groups", e.routing_groups, 0, 1'000'000},
                             Range{"moe.router_group_topk", e.routing_top_groups, 0, 1'000'000}};
  if (auto problem = first_outside(ranges)) return problem;
  if (e.top_k > e.experts)
    return ShapeProblem{"moe.router_topk",
                        fmt::format("a token is routed to {} experts but there are only {}", e.top_k, e.experts),
                        {}};
  if (auto problem = check_routing_groups(e)) return problem;
  if (m.layers - e.first_dense_layers < e.layer_period)
    return ShapeProblem{"moe.first_dense_layers",
                        fmt::format("none of the {} layers is left for the experts", m.layers),
                        "lower first_dense_layers or layer_freq, or drop moe"};
  return std::nullopt;
}

// An upper bound in floating point: integers could overflow before they are compared.
double parameter_bound(const ModelShape& m) {
  const auto d = [](std::int64_t n) { return static_cast<double>(n); };
  double widths = 2 * d(m.heads) * d(m.head_dim) + 2 * d(m.kv_heads) * d(m.head_dim) + 3 * d(m.ffn) + 100;
  double latent = 0;
  if (m.latent_attention) {
    const LatentAttention& a = *m.latent_attention;
    const double qk = d(a.qk_nope_head_dim) + d(a.qk_rope_head_dim);
    widths += d(a.q_rank) + d(a.kv_rank) + d(a.qk_rope_head_dim) + d(m.heads) * (qk + d(a.v_head_dim));
    latent = d(m.heads) * (d(a.q_rank) * qk + d(a.kv_rank) * (qk + d(a.v_head_dim)));
  }
  if (m.moe)
    widths += (3 * d(m.moe->expert_ffn) + 2) * (d(m.moe->experts) + d(m.moe->shared_experts)) +
              3 * d(m.moe->shared_ffn) + d(m.moe->experts);
  const double layers = d(m.layers) + d(m.multi_token_prediction_layers);
  return layers * (d(m.hidden) * (widths + 2 * d(m.hidden)) + latent) +
         d(m.hidden) * (2 * d(m.vocabulary) + d(m.max_positions));
}

}  // namespace

std::optional<ShapeProblem> check_shape(const ModelShape& m) {
  if (auto problem = check_dimensions(m)) return problem;
  if (auto problem = check_attention(m)) return problem;
  if (auto problem = check_experts(m)) return problem;
  if (!std::isfinite(m.dropout) || m.dropout < 0 || m.dropout >= 1)
    return ShapeProblem{"hidden_dropout", fmt::format("hidden_dropout is {}, outside 0 to 1", m.dropout), {}};
  if (parameter_bound(m) > 1e16)
    return ShapeProblem{"num_layers", fmt::format("the model has about {:.1e} parameters", parameter_bound(m)),
                        "the simulator stops at 1e16; is a width mistyped?"};
  return std::nullopt;
}

}  // namespace trainyard
