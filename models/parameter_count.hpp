// Exact parameter counts, of the whole model by owner and of one rank by how tensor parallelism cuts them.
// Sources: the layer equations of Megatron-LM and the transformers classes; LayerNorm counts weight and bias.
// The shape must have passed check_shape; then no count exceeds 64 bits. Pure arithmetic, no allocation.
#pragma once

#include <cstdint>

#include "models/model_shape.hpp"

namespace trainyard {

// Sums over the whole model. `total` and `active` are the main model as papers publish it, without `mtp`; `active` is
// what one token passes through, its row of experts being top_k of them, the embedding table counted in full.
struct ParameterCount {
  std::int64_t embedding = 0;
  std::int64_t position = 0;
  std::int64_t attention = 0;  // with its biases, Q/K norms and latent norms
  std::int64_t mlp = 0;        // of the dense layers
  std::int64_t router = 0;
  std::int64_t routed_experts = 0;
  std::int64_t shared_experts = 0;
  std::int64_t norms = 0;  // the two per layer
  std::int64_t final_norm = 0;
  std::int64_t head = 0;  // 0 when tied to the embedding
  std::int64_t mtp = 0;   // multi-token-prediction modules; they share embedding and head
  std::int64_t total = 0;
  std::int64_t active = 0;
  friend bool operator==(const ParameterCount&, const ParameterCount&) = default;
};
ParameterCount count_parameters(const ModelShape& model);
// The same with another number of vocabulary rows, such as padded_vocabulary(model, tp).
ParameterCount count_parameters(const ModelShape& model, std::int64_t vocabulary);

// What one rank holds of a layer or a module.
struct LayerParameters {
  std::int64_t sharded = 0;     // cut over the tensor-parallel group (K and V are copied where tp > kv_heads)
  std::int64_t replicated = 0;  // on every tensor-parallel rank: norms, router, row biases, MLA down-projections
  std::int64_t routed_experts =
      0;  // cut over expert parallelism and expert tensor parallelism; its own data-parallel group
  std::int64_t dense() const { return sharded + replicated; }
  std::int64_t total() const { return sharded + replicated + routed_experts; }
  friend bool operator==(const LayerParameters&, const LayerParameters&) = default;
};
// Degrees that do not divide give the fullest rank's count.
LayerParameters layer_parameters(const ModelShape& model, bool moe_layer, int tensor_parallel, int expert_parallel = 1,
                                 int expert_tensor_parallel = 1);
// One multi-token-prediction module: a layer, the 2h -> h projection and three norms (DeepSeek-V3 §2.2).
LayerParameters mtp_module_parameters(const ModelShape& model, int tensor_parallel, int expert_parallel = 1,
                                      int expert_tensor_parallel = 1);
// One rank's rows of the embedding, or of the untied head: padded vocabulary / tp * hidden.
std::int64_t vocabulary_parameters(const ModelShape& model, int tensor_parallel);
std::int64_t position_parameters(const ModelShape& model);    // learned positions, replicated; else 0
std::int64_t final_norm_parameters(const ModelShape& model);  // replicated

std::int64_t moe_layer_count(const ModelShape& model);
// Entries of the matrices that multiply each token in one layer: no norms, no biases, routed experts counted top_k
// times. One forward token costs 2 FLOP per entry.
std::int64_t matrix_parameters_per_token(const ModelShape& model, bool moe_layer);

}  // namespace trainyard
