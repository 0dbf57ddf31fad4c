#include "models/model_config.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "models/check_shape.hpp"
#include "models/hugging_face_config.hpp"
#include "sim/base/scenario_files.hpp"

namespace trainyard {
namespace {

using Spellings = std::vector<std::string_view>;

struct NormName {
  NormKind kind;
  std::string_view text;
};
constexpr std::array norm_names = {NormName{NormKind::rmsnorm, "RMSNorm"}, NormName{NormKind::layernorm, "LayerNorm"}};

struct PositionName {
  PositionEncoding encoding;
  std::string_view text;
};
constexpr std::array position_names = {
    PositionName{PositionEncoding::rope, "rope"}, PositionName{PositionEncoding::learned, "learned_absolute"},
    PositionName{PositionEncoding::alibi, "alibi"}, PositionName{PositionEncoding::none, "none"}};

template <class Names>
auto from_name(const Names& names, const YamlValue& value) {
  std::vector<std::string> texts;
  for (const auto& entry : names) texts.emplace_back(entry.text);
  const std::string text = value.as_choice(texts);
  std::size_t i = 0;
  while (names[i].text != text) ++i;
  return names[i];
}

// A mapping that remembers where each setting stood, so that a rule broken later can point at it.
class PlacedMapping {
 public:
  PlacedMapping(YamlValue value, std::string prefix) : mapping_(std::move(value)), prefix_(std::move(prefix)) {}

  std::optional<YamlValue> find(const Spellings& spellings) {
    std::optional<YamlValue> found = mapping_.optional_of(spellings);
    if (found) places_.emplace_back(prefix_ + std::string(spellings.front()), found->where());
    return found;
  }
  std::int64_t whole(const Spellings& spellings, std::int64_t low, std::int64_t high, std::int64_t fallback) {
    const auto found = find(spellings);
    return found ? found->as_int(low, high) : fallback;
  }
  std::int64_t required_whole(const Spellings& spellings, std::int64_t high) {
    const auto found = find(spellings);
    return found ? found->as_int(1, high) : mapping_.required(spellings.front()).as_int(1, high);
  }
  bool flag(const Spellings& spellings, bool fallback) {
    const auto found = find(spellings);
    return found ? found->as_bool() : fallback;
  }
  std::optional<SourceLocation> place(std::string_view key) const {
    for (const auto& [name, where] : places_)
      if (name == key) return where;
    return std::nullopt;
  }
  const YamlValue& value() const { return mapping_.value(); }
  void finish() const { mapping_.finish(); }

 private:
  YamlMapping mapping_;
  std::string prefix_;
  std::vector<std::pair<std::string, SourceLocation>> places_;
};

void read_dimensions(PlacedMapping& map, ModelShape& m) {
  m.layers = map.required_whole({"num_layers", "layers"}, max_model_layers);
  m.hidden = map.required_whole({"hidden_size", "hidden"}, max_model_width);
  m.heads = map.required_whole({"num_attention_heads", "heads"}, max_model_width);
  m.vocabulary = map.required_whole({"vocab_size", "vocabulary"}, max_model_width);
  m.kv_heads = map.whole({"num_query_groups", "num_key_value_heads", "kv_heads"}, 1, max_model_width, m.heads);
  m.ffn = map.whole({"ffn_hidden_size", "ffn"}, 1, max_model_width, 4 * m.hidden);
  m.sliding_window = map.whole({"window_size", "sliding_window"}, 0, max_model_positions, 0);
  m.multi_token_prediction_layers = map.whole({"mtp_num_layers"}, 0, 100, 0);
  m.head_dim = map.whole({"kv_channels", "head_dim"}, 1, max_model_width, 0);
  if (m.head_dim > 0) return;
  if (m.latent_attention) {
    m.head_dim = m.latent_attention->v_head_dim;
  } else if (m.hidden % m.heads == 0) {
    m.head_dim = m.hidden / m.heads;
  } else {
    throw InputError(*map.place("num_attention_heads"),
                     fmt::format("hidden_size {} is not divisible by {} heads", m.hidden, m.heads),
                     "state kv_channels, the width of one head");
  }
}

void read_layer_style(PlacedMapping& map, ModelShape& m) {
  m.gated_mlp = map.flag({"swiglu", "gated_linear_unit"}, false);
  m.tied_embeddings = !map.flag({"untie_embeddings_and_output_weights"}, true);
  m.linear_bias = map.flag({"add_bias_linear"}, false);
  m.qkv_bias = map.flag({"add_qkv_bias"}, false);
  m.qk_norm = map.flag({"qk_layernorm"}, false);
  if (const auto norm = map.find({"normalization"})) m.norm = from_name(norm_names, *norm).kind;
  if (const auto position = map.find({"position_embedding_type"}))
    m.position = from_name(position_names, *position).encoding;
  const std::int64_t positions = map.whole({"max_position_embeddings"}, 1, max_model_positions, 0);
  if (m.position == PositionEncoding::learned) m.max_positions = positions;
  const auto hidden = map.find({"hidden_dropout"});
  const auto attention = map.find({"attention_dropout"});
  const double attention_dropout = attention ? attention->as_number(0, 0.999) : 0;
  m.dropout = hidden ? hidden->as_number(0, 0.999) : attention_dropout;
  if (attention && attention_dropout != m.dropout)
    attention->fail(fmt::format("attention_dropout {} differs from hidden_dropout {}", attention_dropout, m.dropout),
                    "one dropout describes both; give the hidden one");
}

MixtureOfExperts read_experts(PlacedMapping& map, std::int64_t model_ffn) {
  MixtureOfExperts e;
  e.experts = map.required_whole({"num_experts"}, 1'000'000);
  e.top_k = map.required_whole({"router_topk", "top_k"}, 1'000'000);
  e.expert_ffn = map.whole({"ffn_hidden_size", "ffn"}, 1, max_model_width, model_ffn);
  e.shared_experts = map.whole({"shared_experts"}, 0, 1'000'000, 0);
  e.shared_ffn = map.whole({"shared_ffn_hidden_size", "shared_ffn"}, 0, max_model_width, 0);
  e.first_dense_layers = map.whole({"first_dense_layers"}, 0, max_model_layers, 0);
  e.layer_period = map.whole({"layer_freq"}, 1, max_model_layers, 1);
  e.router_bias = map.flag({"router_bias"}, false);
  e.routing_groups = map.whole({"router_num_groups", "n_group"}, 1, 1'000'000, 0);
  e.routing_top_groups = map.whole({"router_group_topk", "topk_group"}, 1, 1'000'000, 0);
  return e;
}

LatentAttention read_latent_attention(PlacedMapping& map) {
  return {.q_rank = map.whole({"q_lora_rank"}, 0, max_model_width, 0),
          .kv_rank = map.required_whole({"kv_lora_rank"}, max_model_width),
          .qk_nope_head_dim = map.required_whole({"qk_head_dim", "qk_nope_head_dim"}, max_model_width),
          .qk_rope_head_dim = map.whole({"qk_pos_emb_head_dim", "qk_rope_head_dim"}, 0, max_model_width, 0),
          .v_head_dim = map.required_whole({"v_head_dim"}, max_model_width)};
}

LoadedModel load_hugging_face_model(const std::string& path) {
  ImportedModel imported = load_hugging_face_config(path);
  LoadedModel loaded{std::move(imported.shape), {}};
  if (!imported.defaulted.empty())
    loaded.warnings.push_back(
        fmt::format("{}: not stated, the class default holds: {}", path, fmt::join(imported.defaulted, ", ")));
  if (!imported.ignored.empty())
    loaded.warnings.push_back(
        fmt::format("{}: keys without a meaning here: {}", path, fmt::join(imported.ignored, ", ")));
  return loaded;
}

}  // namespace

ModelShape read_model(const YamlValue& mapping, std::string_view name) {
  PlacedMapping map(mapping, "");
  std::vector<PlacedMapping> parts;  // nested mappings, kept for their places
  ModelShape m;
  const auto given_name = map.find({"name"});
  m.name = given_name ? given_name->as_string() : std::string(name);
  if (const auto latent = map.find({"multi_latent_attention"})) {
    parts.emplace_back(*latent, "multi_latent_attention.");
    m.latent_attention = read_latent_attention(parts.back());
  }
  read_dimensions(map, m);
  read_layer_style(map, m);
  if (const auto moe = map.find({"moe"})) {
    parts.emplace_back(*moe, "moe.");
    m.moe = read_experts(parts.back(), m.ffn);
  }
  map.finish();
  for (const PlacedMapping& part : parts) part.finish();
  const auto problem = check_shape(m);
  if (!problem) return m;
  SourceLocation where = mapping.where();
  if (const auto place = map.place(problem->key)) where = *place;
  for (const PlacedMapping& part : parts)
    if (const auto place = part.place(problem->key)) where = *place;
  throw InputError(where, problem->message, problem->hint);
}

LoadedModel resolve_model(const YamlValue& value) {
  const std::string beside = std::filesystem::path(value.where().file).parent_path().string();
  std::optional<YamlValue> path;
  if (value.is_scalar()) {
    path = value;
  } else {
    YamlMapping mapping(value);
    path = mapping.optional("hf_config");
    if (!path) return {read_model(value, "inline model"), {}};
    mapping.finish();
  }
  try {
    if (value.is_scalar()) return load_model(path->as_string(), beside);
    return load_hugging_face_model(scenario_file("models", path->as_string(), beside));
  } catch (const InputError& e) {
    if (e.where().line > 0) throw;
    path->fail(e.where().file.empty() ? e.message() : fmt::format("{}: {}", e.where().file, e.message()), e.hint());
  }
}

LoadedModel load_model(std::string_view name_or_path, const std::string& base_directory) {
  const std::string path = scenario_file("models", name_or_path, base_directory);
  const std::filesystem::path file(path);
  if (file.extension() == ".json") return load_hugging_face_model(path);
  return {read_model(read_yaml_file(path), file.stem().string()), {}};
}

}  // namespace trainyard
