#include "models/hugging_face_families.hpp"

#include <algorithm>
#include <array>

#include "models/layer_pattern.hpp"

namespace trainyard {
namespace {

// The defaults of a transformers configuration class (src/transformers/models/*/configuration_*.py).
struct ClassDefaults {
  std::int64_t vocab_size;
  std::int64_t hidden_size;
  std::int64_t intermediate_size;  // 0 = 4 * hidden_size
  std::int64_t layers;
  std::int64_t heads;
  std::int64_t kv_heads = 0;  // 0 = heads
  std::int64_t head_dim = 0;  // 0 = hidden_size / heads
  std::int64_t sliding_window = 0;
};

void read_head_dim(ConfigReader& in, std::int64_t class_default, ModelShape& m) {
  const std::int64_t divided = m.hidden % m.heads == 0 ? m.hidden / m.heads : 0;
  const bool stated = !in.json().is_null("head_dim");
  if (!stated && class_default == 0 && divided == 0)
    in.json().fail("num_attention_heads", fmt::format("hidden_size {} is not divisible by {} heads", m.hidden, m.heads),
                   "state head_dim");
  m.head_dim = in.whole("head_dim", class_default > 0 ? class_default : divided);
}

// num_key_value_heads: absent is the class default, null is one per query head.
void read_dimensions(ConfigReader& in, const ClassDefaults& d, ModelShape& m) {
  m.vocabulary = in.whole("vocab_size", d.vocab_size);
  m.hidden = in.whole("hidden_size", d.hidden_size);
  m.ffn = in.whole("intermediate_size", d.intermediate_size);
  m.layers = in.whole("num_hidden_layers", d.layers, 1, max_model_layers);
  m.heads = in.whole("num_attention_heads", d.heads);
  const bool null_is_all = in.json().has("num_key_value_heads") || d.kv_heads == 0;
  m.kv_heads = in.whole("num_key_value_heads", null_is_all ? m.heads : d.kv_heads);
}

// Some classes window only the layers from max_window_layers on, or list each layer's kind.
void read_window(ConfigReader& in, std::int64_t class_window, bool switched, ModelShape& m) {
  JsonMapping& json = in.json();
  const bool used = switched ? in.quiet_flag("use_sliding_window", false) : true;
  const bool stated = json.has("sliding_window");
  std::int64_t window = json.whole("sliding_window", 1, max_model_positions).value_or(0);
  const auto first_windowed = json.whole("max_window_layers", 0, max_model_layers);
  const auto kinds = json.text_list("layer_types");
  if (used && !stated && class_window > 0) window = in.whole("sliding_window", class_window);
  if (!used || window == 0) return;
  std::int64_t windowed = m.layers;
  if (kinds) {
    windowed = std::count(kinds->begin(), kinds->end(), "sliding_attention");
  } else if (switched) {
    windowed = std::max<std::int64_t>(0, m.layers - first_windowed.value_or(28));
  }
  if (windowed == m.layers) m.sliding_window = window;
  if (windowed != 0 && windowed != m.layers)
    json.fail(kinds ? "layer_types" : "max_window_layers",
              fmt::format("{} of {} layers have a sliding window", windowed, m.layers),
              "a model whose layers differ in their window is not expressible");
}

void read_biases(ConfigReader& in, bool has_mlp_bias, ModelShape& m) {
  const bool attention_bias = in.quiet_flag("attention_bias", false);
  const bool mlp_bias = has_mlp_bias && in.quiet_flag("mlp_bias", false);
  m.linear_bias = attention_bias && mlp_bias;
  if (attention_bias == mlp_bias) return;
  in.json().fail(attention_bias ? "attention_bias" : "mlp_bias",
                 "biases on the attention or the MLP alone are not expressible", "all linear layers or none");
}

// What every Llama-like decoder shares: RMSNorm, rotary positions, SwiGLU.
void read_llama_like(ConfigReader& in, const ClassDefaults& d, ModelShape& m) {
  read_dimensions(in, d, m);
  m.gated_mlp = true;
  m.norm = NormKind::rmsnorm;
  m.position = PositionEncoding::rope;
  m.dropout = in.json().number("attention_dropout", 0, 0.999).value_or(0);
}

void read_llama(ConfigReader& in, ModelShape& m) {
  const ClassDefaults d{
      .vocab_size = 32000, .hidden_size = 4096, .intermediate_size = 11008, .layers = 32, .heads = 32};
  read_llama_like(in, d, m);
  read_head_dim(in, 0, m);
  read_biases(in, true, m);
}

void read_mistral(ConfigReader& in, ModelShape& m) {
  const ClassDefaults d{.vocab_size = 32000,
                        .hidden_size = 4096,
                        .intermediate_size = 14336,
                        .layers = 32,
                        .heads = 32,
                        .kv_heads = 8,
                        .sliding_window = 4096};
  read_llama_like(in, d, m);
  read_head_dim(in, 0, m);
  read_window(in, d.sliding_window, false, m);
}

constexpr ClassDefaults qwen_defaults{.vocab_size = 151936,
                                      .hidden_size = 4096,
                                      .intermediate_size = 22016,
                                      .layers = 32,
                                      .heads = 32,
                                      .kv_heads = 32,
                                      .sliding_window = 4096};

void read_qwen2(ConfigReader& in, ModelShape& m) {
  read_llama_like(in, qwen_defaults, m);
  read_head_dim(in, 0, m);
  m.qkv_bias = true;  // fixed in the class, not a setting
  read_window(in, qwen_defaults.sliding_window, true, m);
}

void read_qwen3(ConfigReader& in, ModelShape& m) {
  read_llama_like(in, qwen_defaults, m);
  read_head_dim(in, 128, m);
  read_biases(in, false, m);
  m.qk_norm = true;
  read_window(in, qwen_defaults.sliding_window, true, m);
}

void read_gpt2(ConfigReader& in, ModelShape& m) {
  m.vocabulary = in.whole("vocab_size", 50257);
  m.hidden = in.whole("n_embd", 768);
  m.layers = in.whole("n_layer", 12, 1, max_model_layers);
  m.heads = in.whole("n_head", 12);
  m.kv_heads = m.heads;
  if (m.hidden % m.heads != 0)
    in.json().fail("n_head", fmt::format("n_embd {} is not divisible by {} heads", m.hidden, m.heads));
  m.head_dim = m.hidden / m.heads;
  m.ffn = in.whole("n_inner", 4 * m.hidden);
  m.max_positions = in.whole("n_positions", 1024, 1, max_model_positions);
  m.position = PositionEncoding::learned;
  m.norm = NormKind::layernorm;
  m.linear_bias = true;
  m.dropout = std::max(in.fraction("resid_pdrop", 0.1), in.fraction("attn_pdrop", 0.1));
}

void read_gpt_neox(ConfigReader& in, ModelShape& m) {
  const ClassDefaults d{
      .vocab_size = 50432, .hidden_size = 6144, .intermediate_size = 24576, .layers = 44, .heads = 64};
  read_dimensions(in, d, m);
  read_head_dim(in, 0, m);
  m.norm = NormKind::layernorm;
  m.linear_bias = true;
  if (!in.quiet_flag("attention_bias", true))
    in.json().fail("attention_bias", "biases on the MLP alone are not expressible");
  m.dropout = std::max(in.json().number("hidden_dropout", 0, 0.999).value_or(0),
                       in.json().number("attention_dropout", 0, 0.999).value_or(0));
}

void read_mixtral(ConfigReader& in, ModelShape& m) {
  const ClassDefaults d{
      .vocab_size = 32000, .hidden_size = 4096, .intermediate_size = 14336, .layers = 32, .heads = 32, .kv_heads = 8};
  read_llama_like(in, d, m);
  read_head_dim(in, 0, m);
  read_window(in, 0, false, m);
  m.moe = MixtureOfExperts{
      .experts = in.whole("num_local_experts", 8), .top_k = in.whole("num_experts_per_tok", 2), .expert_ffn = m.ffn};
}

// Which layers are sparse, said by the file's own rule, as the regular pattern a ModelShape knows.
void read_pattern(ConfigReader& in, std::string_view key, const std::vector<bool>& sparse, ModelShape& m) {
  if (std::find(sparse.begin(), sparse.end(), true) == sparse.end()) {
    m.moe.reset();
    return;
  }
  const auto pattern = regular_pattern(sparse);
  if (!pattern)
    in.json().fail(key, "this pattern of mixture-of-experts layers is not expressible",
                   "leading dense layers, then every n-th layer sparse, is");
  m.moe->first_dense_layers = pattern->first_dense_layers;
  m.moe->layer_period = pattern->layer_period;
}

void read_qwen3_moe(ConfigReader& in, ModelShape& m) {
  const ClassDefaults d{.vocab_size = 151936,
                        .hidden_size = 2048,
                        .intermediate_size = 6144,
                        .layers = 24,
                        .heads = 32,
                        .kv_heads = 4,
                        .sliding_window = 4096};
  read_llama_like(in, d, m);
  read_head_dim(in, 0, m);
  read_biases(in, false, m);
  m.qk_norm = true;
  read_window(in, d.sliding_window, true, m);
  const bool renamed = in.json().has("num_local_experts");  // transformers 5
  m.moe = MixtureOfExperts{.experts = in.whole(renamed ? "num_local_experts" : "num_experts", 128),
                           .top_k = in.whole("num_experts_per_tok", 8),
                           .expert_ffn = in.whole("moe_intermediate_size", 768)};
  const std::int64_t step = in.json().whole("decoder_sparse_step", 1, max_model_layers).value_or(1);
  const auto dense = in.json().whole_list("mlp_only_layers", 0, max_model_layers);
  std::vector<bool> sparse(static_cast<std::size_t>(m.layers));
  for (std::size_t i = 0; i < sparse.size(); ++i) sparse[i] = (static_cast<std::int64_t>(i) + 1) % step == 0;
  if (dense)
    for (const std::int64_t layer : *dense)
      if (layer < m.layers) sparse[static_cast<std::size_t>(layer)] = false;
  read_pattern(in, dense && !dense->empty() ? "mlp_only_layers" : "decoder_sparse_step", sparse, m);
}

void read_latent_attention(ConfigReader& in, ModelShape& m) {
  const bool direct_query = in.json().has("q_lora_rank") && in.json().is_null("q_lora_rank");
  if (direct_query) in.json().whole("q_lora_rank", 1, max_model_width);
  m.latent_attention = LatentAttention{.q_rank = direct_query ? 0 : in.whole("q_lora_rank", 1536),
                                       .kv_rank = in.whole("kv_lora_rank", 512),
                                       .qk_nope_head_dim = in.whole("qk_nope_head_dim", 128),
                                       .qk_rope_head_dim = in.whole("qk_rope_head_dim", 64),
                                       .v_head_dim = in.whole("v_head_dim", 128)};
  in.json().whole("head_dim", 1, max_model_width);  // the class overwrites it with the rotary width
  m.head_dim = m.latent_attention->v_head_dim;
  m.kv_heads = m.heads;
}

// DeepSeek's own files and code have moe_layer_freq, num_nextn_predict_layers and a null n_shared_experts.
void read_deepseek_experts(ConfigReader& in, std::int64_t first_dense, ModelShape& m) {
  JsonMapping& json = in.json();
  const std::int64_t dense = in.whole("first_k_dense_replace", first_dense, 0, max_model_layers);
  const std::int64_t period = json.whole("moe_layer_freq", 1, max_model_layers).value_or(1);
  std::vector<bool> sparse(static_cast<std::size_t>(m.layers));
  for (std::size_t i = 0; i < sparse.size(); ++i) {
    const auto layer = static_cast<std::int64_t>(i);
    sparse[i] = layer >= dense && layer % period == 0;
  }
  read_pattern(in, "moe_layer_freq", sparse, m);
  m.multi_token_prediction_layers = json.whole("num_nextn_predict_layers", 0, 100).value_or(0);
}

// One group, or as many as there are, limits nothing.
void set_routing_groups(std::int64_t groups, std::int64_t top, ModelShape& m) {
  if (!m.moe || groups <= 1 || top == groups) return;
  m.moe->routing_groups = groups;
  m.moe->routing_top_groups = top;
}

// transformers' DeepSeek-V2 routes over all experts unless topk_method says otherwise.
void read_deepseek_v2_groups(ConfigReader& in, ModelShape& m) {
  JsonMapping& json = in.json();
  const std::int64_t groups = json.whole("n_group", 1, max_model_width).value_or(1);
  const std::int64_t top = json.whole("topk_group", 1, max_model_width).value_or(groups);
  if (json.text("topk_method").value_or("greedy") == "group_limited_greedy") set_routing_groups(groups, top, m);
}

void read_deepseek_v2(ConfigReader& in, ModelShape& m) {
  const ClassDefaults d{
      .vocab_size = 32000, .hidden_size = 4096, .intermediate_size = 11008, .layers = 32, .heads = 32};
  read_llama_like(in, d, m);
  read_latent_attention(in, m);
  read_biases(in, true, m);
  m.moe = MixtureOfExperts{.experts = in.whole("n_routed_experts", 64),
                           .top_k = in.required("num_experts_per_tok"),
                           .expert_ffn = in.whole("moe_intermediate_size", 1407)};
  const bool none_shared = in.json().has("n_shared_experts") && in.json().is_null("n_shared_experts");
  m.moe->shared_experts = in.whole("n_shared_experts", none_shared ? 0 : 2, 0);
  read_deepseek_experts(in, 0, m);
  read_deepseek_v2_groups(in, m);
}

void read_deepseek_v3(ConfigReader& in, ModelShape& m) {
  const ClassDefaults d{.vocab_size = 129280,
                        .hidden_size = 7168,
                        .intermediate_size = 18432,
                        .layers = 61,
                        .heads = 128,
                        .kv_heads = 128};
  read_llama_like(in, d, m);
  read_latent_attention(in, m);
  read_biases(in, false, m);
  m.moe = MixtureOfExperts{.experts = in.whole("n_routed_experts", 256),
                           .top_k = in.whole("num_experts_per_tok", 8),
                           .expert_ffn = in.whole("moe_intermediate_size", 2048),
                           .router_bias = true};
  const bool none_shared = in.json().has("n_shared_experts") && in.json().is_null("n_shared_experts");
  m.moe->shared_experts = in.whole("n_shared_experts", none_shared ? 0 : 1, 0);
  read_deepseek_experts(in, 3, m);
  const std::int64_t groups = in.whole("n_group", 8);
  set_routing_groups(groups, in.whole("topk_group", 4), m);
}

constexpr std::array families = {HuggingFaceFamily{"llama", false, read_llama},
                                 HuggingFaceFamily{"mistral", false, read_mistral},
                                 HuggingFaceFamily{"qwen2", false, read_qwen2},
                                 HuggingFaceFamily{"qwen3", false, read_qwen3},
                                 HuggingFaceFamily{"gpt2", true, read_gpt2},
                                 HuggingFaceFamily{"gpt_neox", false, read_gpt_neox},
                                 HuggingFaceFamily{"mixtral", false, read_mixtral},
                                 HuggingFaceFamily{"qwen3_moe", false, read_qwen3_moe},
                                 HuggingFaceFamily{"deepseek_v2", false, read_deepseek_v2},
                                 HuggingFaceFamily{"deepseek_v3", false, read_deepseek_v3}};

}  // namespace

std::span<const HuggingFaceFamily> hugging_face_families() { return families; }

}  // namespace trainyard
