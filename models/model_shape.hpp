// What decides a model's parameters, FLOPs and bytes. Plain values; the reader is models/model_config.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace trainyard {

enum class NormKind { layernorm, rmsnorm };
enum class PositionEncoding { rope, learned, alibi, none };

// Multi-head latent attention (DeepSeek-V2/V3); ranks and widths in elements. q_rank 0 = the query is not compressed.
struct LatentAttention {
  std::int64_t q_rank = 0;
  std::int64_t kv_rank = 0;
  std::int64_t qk_nope_head_dim = 0;
  std::int64_t qk_rope_head_dim = 0;
  std::int64_t v_head_dim = 0;
  friend bool operator==(const LatentAttention&, const LatentAttention&) = default;
};

struct MixtureOfExperts {
  std::int64_t experts = 0;             // routed experts per layer
  std::int64_t top_k = 0;               // routed experts per token
  std::int64_t expert_ffn = 0;          // inner width of one routed expert
  std::int64_t shared_experts = 0;      // always active, each of width expert_ffn unless shared_ffn says otherwise
  std::int64_t shared_ffn = 0;          // total width of the shared expert(s); 0 = shared_experts * expert_ffn
  std::int64_t first_dense_layers = 0;  // leading layers with a dense MLP of width ffn
  std::int64_t layer_period = 1;        // every n-th layer is MoE (1 = all after the dense ones)
  bool router_bias = false;             // one correction bias per expert (DeepSeek-V3)
  std::int64_t routing_groups = 0;      // experts are cut into this many groups (DeepSeek n_group); 0 = no limit
  std::int64_t routing_top_groups = 0;  // of which a token's experts come from at most this many (topk_group)
  friend bool operator==(const MixtureOfExperts&, const MixtureOfExperts&) = default;
};

struct ModelShape {
  std::string name;
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t heads = 0;     // query heads
  std::int64_t kv_heads = 0;  // = heads for multi-head attention
  std::int64_t head_dim = 0;
  std::int64_t ffn = 0;            // inner width of the (dense) MLP
  std::int64_t vocabulary = 0;     // as published, before any padding for tensor parallelism
  std::int64_t max_positions = 0;  // rows of the learned position embedding; 0 unless position == learned
  bool gated_mlp = false;          // three MLP matrices (SwiGLU) instead of two
  bool tied_embeddings = false;
  bool linear_bias = false;  // biases on every linear layer but the head
  bool qkv_bias = false;     // biases on Q, K, V only (Qwen2); implied by linear_bias
  bool qk_norm = false;      // RMSNorm over head_dim on Q and K (Qwen3)
  NormKind norm = NormKind::rmsnorm;
  PositionEncoding position = PositionEncoding::rope;
  std::int64_t sliding_window = 0;  // keys attended at most; 0 = all
  double dropout = 0.0;             // hidden and attention dropout during training; 0 = none
  std::optional<MixtureOfExperts> moe;
  std::optional<LatentAttention> latent_attention;
  std::int64_t multi_token_prediction_layers = 0;  // DeepSeek-V3 MTP modules

  std::int64_t q_width() const { return heads * head_dim; }
  std::int64_t kv_width() const { return kv_heads * head_dim; }
  friend bool operator==(const ModelShape&, const ModelShape&) = default;
};

// Padded to a multiple of 128 * tensor_parallel, as Megatron's make-vocab-size-divisible-by does.
std::int64_t padded_vocabulary(const ModelShape& model, int tensor_parallel);

// Is layer `index` (0 …) a mixture-of-experts layer?
bool is_moe_layer(const ModelShape& model, std::int64_t index);

}  // namespace trainyard
