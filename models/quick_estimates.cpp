#include "models/quick_estimates.hpp"

#include <algorithm>

namespace trainyard {
namespace {

double share_of_others(int ranks) { return static_cast<double>(ranks - 1) / ranks; }

void add(LayerParameters& sum, const LayerParameters& part) {
  sum.sharded += part.sharded;
  sum.replicated += part.replicated;
  sum.routed_experts += part.routed_experts;
}

LayerParameters stage_parameters(const ModelShape& m, const StateQuestion& q, int stage, std::int64_t first,
                                 std::int64_t layers) {
  LayerParameters sum;
  const std::int64_t rows = vocabulary_parameters(m, q.tensor_parallel);
  for (std::int64_t i = first; i < first + layers; ++i)
    add(sum, layer_parameters(m, is_moe_layer(m, i), q.tensor_parallel, q.expert_parallel, q.tensor_parallel));
  if (stage == 0) add(sum, {.sharded = rows, .replicated = position_parameters(m)});
  if (stage + 1 == q.pipeline_parallel) {
    const bool own_head = !m.tied_embeddings || q.pipeline_parallel > 1;
    add(sum, {.sharded = own_head ? rows : 0, .replicated = final_norm_parameters(m)});
    for (std::int64_t i = 0; i < m.multi_token_prediction_layers; ++i)
      add(sum, mtp_module_parameters(m, q.tensor_parallel, q.expert_parallel, q.tensor_parallel));
  }
  return sum;
}

}  // namespace

Bytes ring_all_reduce_bytes_sent(Bytes bytes, int ranks) { return 2 * share_of_others(ranks) * bytes; }
Bytes ring_all_gather_bytes_sent(Bytes bytes, int ranks) { return share_of_others(ranks) * bytes; }

Seconds ring_all_reduce_time(Bytes bytes, int ranks, BytesPerSecond bandwidth, Seconds latency) {
  return ring_all_reduce_bytes_sent(bytes, ranks) / bandwidth + 2.0 * (ranks - 1) * latency;
}

BytesPerSecond all_reduce_bus_bandwidth(Bytes bytes, Seconds time, int ranks) {
  return ring_all_reduce_bytes_sent(bytes, ranks) / time;
}

Seconds hierarchical_all_reduce_time(Bytes bytes, int ranks_per_node, int nodes, BytesPerSecond in_node,
                                     BytesPerSecond between_nodes) {
  return 2 * (ring_all_gather_bytes_sent(bytes, ranks_per_node) / in_node) +
         ring_all_reduce_bytes_sent(bytes / ranks_per_node, nodes) / between_nodes;
}

Bytes pipeline_message(const ModelShape& m, std::int64_t tokens, DataType type, int sequence_parallel) {
  return Bytes(static_cast<double>(tokens) * static_cast<double>(m.hidden) * bytes_per_element(type) /
               sequence_parallel);
}

ParameterState state_per_parameter(int zero_stage, int data_parallel, DataType gradients) {
  const auto cut = [&](int from_stage, double bytes) {
    return Bytes(zero_stage >= from_stage ? bytes / data_parallel : bytes);
  };
  return {.weights = cut(3, bytes_per_element(DataType::bf16)),
          .gradients = cut(2, bytes_per_element(gradients)),
          .optimizer = cut(1, 3 * bytes_per_element(DataType::fp32))};
}

TrainingState training_state(const ModelShape& m, const StateQuestion& q) {
  TrainingState fullest;
  fullest.dense = state_per_parameter(q.zero_stage, q.data_parallel, q.gradients);
  fullest.experts = state_per_parameter(q.zero_stage, std::max(1, q.data_parallel / q.expert_parallel), q.gradients);
  std::int64_t first = 0;
  for (int stage = 0; stage < q.pipeline_parallel; ++stage) {
    const std::int64_t layers = m.layers / q.pipeline_parallel + (stage < m.layers % q.pipeline_parallel ? 1 : 0);
    const LayerParameters held = stage_parameters(m, q, stage, first, layers);
    const Bytes total = static_cast<double>(held.dense()) * fullest.dense.total() +
                        static_cast<double>(held.routed_experts) * fullest.experts.total();
    if (total > fullest.total) {
      fullest.stage = stage;
      fullest.stage_layers = layers;
      fullest.parameters = held;
      fullest.total = total;
    }
    first += layers;
  }
  return fullest;
}

Bytes kv_cache_per_token(const ModelShape& m, DataType type, int tensor_parallel) {
  const std::int64_t heads = (m.kv_heads + tensor_parallel - 1) / tensor_parallel;
  const std::int64_t elements =
      m.latent_attention ? m.latent_attention->kv_rank + m.latent_attention->qk_rope_head_dim : 2 * heads * m.head_dim;
  return Bytes(static_cast<double>(m.layers * elements) * bytes_per_element(type));
}

Bytes kv_cache(const ModelShape& m, std::int64_t tokens, DataType type, int tensor_parallel) {
  const std::int64_t kept = m.sliding_window > 0 ? std::min(tokens, m.sliding_window) : tokens;
  return static_cast<double>(kept) * kv_cache_per_token(m, type, tensor_parallel);
}

}  // namespace trainyard
