#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <regex>

#include "analysis/validation/row_parts.hpp"

namespace trainyard::row {
namespace {

// Megatron's GPT-2 vocabulary padded for 8 ranks, and Llama 2's: what most tables of either family mean.
constexpr std::int64_t gpt_vocabulary = 51200;
constexpr std::int64_t llama_vocabulary = 32000;

bool describes_a_shape(const PublishedRun& run) {
  return run.layers && run.hidden && run.heads && (run.ffn_hidden || !run.gated_mlp.value_or(false));
}

std::optional<ModelShape> preset_of(const PublishedRun& run, const Presets& presets) {
  if (run.model.empty()) return std::nullopt;
  return presets.model(lower(run.model));
}

ModelShape family_default(bool gated) {
  ModelShape model;
  model.gated_mlp = gated;
  if (gated) return model;  // ModelShape's own defaults are Llama's
  model.norm = NormKind::layernorm;
  model.position = PositionEncoding::learned;
  model.linear_bias = true;
  model.tied_embeddings = true;
  return model;
}

void apply_widths(ModelShape& model, const PublishedRun& run, Notes& notes) {
  const bool same_attention = !run.heads || (run.heads == model.heads && (!run.hidden || run.hidden == model.hidden));
  model.layers = run.layers.value_or(model.layers);
  model.hidden = run.hidden.value_or(model.hidden);
  model.heads = run.heads.value_or(model.heads);
  model.gated_mlp = run.gated_mlp.value_or(model.gated_mlp);
  if (run.kv_heads)
    model.kv_heads = *run.kv_heads;
  else if (!same_attention || model.kv_heads == 0)
    model.kv_heads = model.heads;
  // With latent attention a table's head_dim describes only a part of it: the preset knows.
  if (run.head_dim && !model.latent_attention)
    model.head_dim = *run.head_dim;
  else if ((!same_attention && !model.latent_attention) || model.head_dim == 0) {
    if (model.hidden % model.heads != 0) throw RowSkipped{"head_dim not published and hidden not divisible by heads"};
    model.head_dim = model.hidden / model.heads;
  }
  if (run.ffn_hidden) model.ffn = *run.ffn_hidden;
  if (model.ffn == 0) {
    model.ffn = 4 * model.hidden;
    notes.push_back(fmt::format("ffn_hidden not published: 4 x hidden = {}", model.ffn));
  }
  if (run.vocab) model.vocabulary = *run.vocab;
  if (model.vocabulary == 0) {
    model.vocabulary = model.gated_mlp ? llama_vocabulary : gpt_vocabulary;
    notes.push_back(fmt::format("vocabulary not published: {}", model.vocabulary));
  }
}

// Proxies of reduced depth say how many of their layers stay dense only in the notes ("dense_layers=1").
std::optional<std::int64_t> dense_layers_in(const std::string& notes) {
  static const std::regex words(R"(dense_layers\s*=\s*(\d{1,4}))");
  std::smatch found;
  if (!std::regex_search(notes, found, words)) return std::nullopt;
  return std::stoll(found[1]);
}

void apply_experts(ModelShape& model, const PublishedRun& run, Notes& notes) {
  if (run.moe_experts && !model.moe) model.moe = MixtureOfExperts{};
  if (!model.moe) return;
  MixtureOfExperts& moe = *model.moe;
  moe.experts = run.moe_experts.value_or(moe.experts);
  moe.top_k = run.moe_topk.value_or(moe.top_k);
  moe.expert_ffn = run.moe_ffn.value_or(moe.expert_ffn);
  if (moe.expert_ffn == 0) moe.expert_ffn = model.ffn;
  if (moe.top_k == 0) throw RowSkipped{"moe_topk not published"};
  if (moe.first_dense_layers == 0) return;
  const auto dense = dense_layers_in(run.notes);
  if (dense) moe.first_dense_layers = *dense;
  if (moe.first_dense_layers >= model.layers) moe.first_dense_layers = std::max<std::int64_t>(0, model.layers - 1);
  if (dense) notes.push_back(fmt::format("{} dense layers, from the row's notes", moe.first_dense_layers));
}

}  // namespace

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

ModelShape model_of(const PublishedRun& run, const Presets& presets, Notes& notes) {
  std::optional<ModelShape> preset = preset_of(run, presets);
  if (!preset && !describes_a_shape(run))
    throw RowSkipped{run.model.empty() ? "no model and no full shape published"
                                       : fmt::format("unknown model '{}' without a full shape", run.model)};
  if (!preset && !run.gated_mlp) notes.emplace_back("gated_mlp not published: GPT-style MLP");
  ModelShape model = preset ? *preset : family_default(run.gated_mlp.value_or(false));
  model.name = !run.model.empty() ? lower(run.model) : run.model_label;
  apply_widths(model, run, notes);
  apply_experts(model, run, notes);
  if (model.position == PositionEncoding::learned) model.max_positions = run.seq_len.value_or(model.max_positions);
  return model;
}

}  // namespace trainyard::row
