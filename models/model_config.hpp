// Model descriptions in YAML, the keys being Megatron-LM's (aliases in parentheses):
//   num_layers (layers), hidden_size (hidden), num_attention_heads (heads), vocab_size (vocabulary)      required
//   num_query_groups (num_key_value_heads, kv_heads) = num_attention_heads
//   kv_channels (head_dim)                           = hidden_size / num_attention_heads
//   ffn_hidden_size (ffn)                            = 4 hidden_size
//   swiglu (gated_linear_unit)                       = false
//   untie_embeddings_and_output_weights              = true
//   normalization: RMSNorm | LayerNorm               = RMSNorm
//   add_bias_linear, add_qkv_bias, qk_layernorm      = false
//   position_embedding_type: rope | learned_absolute | alibi | none = rope
//   max_position_embeddings                          read for learned_absolute, else accepted and unused
//   window_size                                      keys attended at most, 0 = all
//   hidden_dropout, attention_dropout                = 0; one model has one dropout, so the two must agree
//   moe: {num_experts, router_topk, ffn_hidden_size (= the model's), shared_experts (= 0),
//         shared_ffn_hidden_size (= shared_experts x ffn_hidden_size), first_dense_layers (= 0),
//         layer_freq (= 1: every n-th layer after the dense ones), router_bias (= false)}
//   multi_latent_attention: {q_lora_rank (0 = not compressed), kv_lora_rank, qk_head_dim, qk_pos_emb_head_dim,
//   v_head_dim} mtp_num_layers = 0, name = the file's
// Everything wrong is an InputError with file:line:column.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/model_shape.hpp"
#include "sim/base/yaml_reader.hpp"

namespace trainyard {

// A mapping with the keys above. `name` is used where the mapping has none.
ModelShape read_model(const YamlValue& mapping, std::string_view name);

struct LoadedModel {
  ModelShape shape;
  std::vector<std::string> warnings;  // defaults that a config.json left to its class, keys nobody understood
};

// What a scenario's `model:` may be: a name or path, {hf_config: path}, or the mapping itself. A relative path is
// looked for beside the file that mentions it first.
LoadedModel resolve_model(const YamlValue& value);

// A name in scenarios/models ("llama3-70b") or the path of a model YAML or of a Hugging Face config.json.
LoadedModel load_model(std::string_view name_or_path, const std::string& base_directory = {});

// The text read_model reads back as an equal shape; settings at their default are left out.
std::string to_yaml(const ModelShape& model);

}  // namespace trainyard
