// to_yaml of model_config.hpp: the writer beside the reader's 250 lines.
#include <fmt/format.h>

#include <iterator>

#include "models/model_config.hpp"

namespace trainyard {
namespace {

std::string_view position_text(PositionEncoding p) {
  switch (p) {
    case PositionEncoding::rope:
      return "rope";
    case PositionEncoding::learned:
      return "learned_absolute";
    case PositionEncoding::alibi:
      return "alibi";
    case PositionEncoding::none:
      return "none";
  }
  return "?";
}

std::string yaml_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    // Control characters would need YAML escapes; a name loses nothing by showing a space instead.
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  return out + "\"";
}

class YamlText {
 public:
  template <class Value>
  void line(std::string_view key, const Value& value) {
    fmt::format_to(std::back_inserter(text_), "{}{}: {}\n", indent_, key, value);
  }
  void line_unless(std::string_view key, std::int64_t value, std::int64_t fallback) {
    if (value != fallback) line(key, value);
  }
  void flag(std::string_view key, bool set) {
    if (set) line(key, "true");
  }
  void open(std::string_view key) {
    text_ += fmt::format("{}:\n", key);
    indent_ = "  ";
  }
  void close() { indent_ = ""; }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
  std::string_view indent_;
};

void write_experts(YamlText& out, const MixtureOfExperts& e, std::int64_t model_ffn) {
  out.open("moe");
  out.line("num_experts", e.experts);
  out.line("router_topk", e.top_k);
  out.line_unless("ffn_hidden_size", e.expert_ffn, model_ffn);
  out.line_unless("shared_experts", e.shared_experts, 0);
  out.line_unless("shared_ffn_hidden_size", e.shared_ffn, 0);
  out.line_unless("first_dense_layers", e.first_dense_layers, 0);
  out.line_unless("layer_freq", e.layer_period, 1);
  out.flag("router_bias", e.router_bias);
  out.line_unless("router_num_groups", e.routing_groups, 0);
  out.line_unless("router_group_topk", e.routing_top_groups, 0);
  out.close();
}

void write_latent_attention(YamlText& out, const LatentAttention& a) {
  out.open("multi_latent_attention");
  out.line("q_lora_rank", a.q_rank);
  out.line("kv_lora_rank", a.kv_rank);
  out.line("qk_head_dim", a.qk_nope_head_dim);
  out.line("qk_pos_emb_head_dim", a.qk_rope_head_dim);
  out.line("v_head_dim", a.v_head_dim);
  out.close();
}

}  // namespace

std::string to_yaml(const ModelShape& m) {
  YamlText out;
  if (!m.name.empty()) out.line("name", yaml_quoted(m.name));
  out.line("num_layers", m.layers);
  out.line("hidden_size", m.hidden);
  out.line("ffn_hidden_size", m.ffn);
  out.line("num_attention_heads", m.heads);
  out.line_unless("num_query_groups", m.kv_heads, m.heads);
  out.line("kv_channels", m.head_dim);
  out.line("vocab_size", m.vocabulary);
  out.flag("swiglu", m.gated_mlp);
  out.line("untie_embeddings_and_output_weights", m.tied_embeddings ? "false" : "true");
  out.line("normalization", m.norm == NormKind::rmsnorm ? "RMSNorm" : "LayerNorm");
  out.flag("add_bias_linear", m.linear_bias);
  out.flag("add_qkv_bias", m.qkv_bias);
  out.flag("qk_layernorm", m.qk_norm);
  out.line("position_embedding_type", position_text(m.position));
  if (m.position == PositionEncoding::learned) out.line("max_position_embeddings", m.max_positions);
  out.line_unless("window_size", m.sliding_window, 0);
  if (m.dropout != 0) out.line("hidden_dropout", m.dropout);
  if (m.moe) write_experts(out, *m.moe, m.ffn);
  if (m.latent_attention) write_latent_attention(out, *m.latent_attention);
  out.line_unless("mtp_num_layers", m.multi_token_prediction_layers, 0);
  return std::move(out).text();
}

}  // namespace trainyard
