#include "models/hugging_face_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <utility>

#include "models/hugging_face_families.hpp"
#include "sim/base/text_input.hpp"

namespace trainyard {
namespace {

// Keys that change neither sizes nor work, only how the model is run, sampled, trained or labelled.
bool is_irrelevant(std::string_view key) {
  constexpr std::array names = {"_name_or_path",
                                "activation_function",
                                "architectures",
                                "attention_softmax_in_fp32",
                                "auto_map",
                                "aux_loss_alpha",
                                "bos_token_id",
                                "classifier_dropout",
                                "do_sample",
                                "dtype",
                                "embd_pdrop",
                                "eos_token_id",
                                "ep_size",
                                "hidden_act",
                                "id2label",
                                "initializer_range",
                                "is_decoder",
                                "label2id",
                                "layer_norm_eps",
                                "layer_norm_epsilon",
                                "max_length",
                                "max_position_embeddings",
                                "model_type",
                                "n_ctx",
                                "norm_topk_prob",
                                "output_router_logits",
                                "pad_token_id",
                                "pretraining_tp",
                                "quantization_config",
                                "reorder_and_upcast_attn",
                                "rms_norm_eps",
                                "rope_interleave",
                                "rope_parameters",
                                "rope_scaling",
                                "rope_theta",
                                "rotary_emb_base",
                                "rotary_pct",
                                "routed_scaling_factor",
                                "router_aux_loss_coef",
                                "router_jitter_noise",
                                "scale_attn_by_inverse_layer_idx",
                                "scale_attn_weights",
                                "scoring_func",
                                "seq_aux",
                                "summary_activation",
                                "summary_first_dropout",
                                "summary_proj_to_labels",
                                "summary_type",
                                "summary_use_proj",
                                "task_specific_params",
                                "tokenizer_class",
                                "topk_method",
                                "torch_dtype",
                                "transformers_version",
                                "use_cache",
                                "use_parallel_residual"};
  static_assert(std::is_sorted(names.begin(), names.end(), std::less<std::string_view>{}));
  return std::binary_search(names.begin(), names.end(), key, std::less<std::string_view>{});
}

const HuggingFaceFamily& family_of(JsonMapping& json) {
  const auto model_type = json.text("model_type");
  const std::vector<std::string> known = hugging_face_model_types();
  const std::string list = fmt::format("known: {}", fmt::join(known, ", "));
  if (!model_type) json.fail_here("missing key 'model_type'", list);
  for (const HuggingFaceFamily& family : hugging_face_families())
    if (family.model_type == *model_type) return family;
  json.fail("model_type", fmt::format("the model_type '{}' is not known", *model_type), list);
}

// Where a broken rule's setting stands in a config.json; an empty answer points at the object.
std::string_view json_key(std::string_view key) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> table = {
      {{"num_query_groups", "num_key_value_heads"},
       {"num_layers", "num_hidden_layers"},
       {"moe.router_topk", "num_experts_per_tok"},
       {"moe.router_num_groups", "n_group"},
       {"moe.router_group_topk", "topk_group"},
       {"moe.first_dense_layers", "first_k_dense_replace"}}};
  for (const auto& [ours, theirs] : table)
    if (ours == key) return theirs;
  return key;
}

std::string model_name(JsonMapping& json, std::string_view model_type) {
  std::string path = json.text("_name_or_path").value_or("");
  while (path.ends_with('/')) path.pop_back();
  path = path.substr(path.rfind('/') + 1);  // npos + 1 = 0
  return path.empty() || path == "." ? std::string(model_type) : path;
}

}  // namespace

std::vector<std::string> hugging_face_model_types() {
  std::vector<std::string> types;
  for (const HuggingFaceFamily& family : hugging_face_families()) types.emplace_back(family.model_type);
  return types;
}

ImportedModel read_hugging_face_config(const std::string& json_text, const std::string& name_in_messages) {
  require_text(json_text, name_in_messages);
  JsonMapping outer(std::make_shared<const JsonDocument>(parse_json(json_text, name_in_messages)));
  std::optional<JsonMapping> nested = outer.object("text_config");
  JsonMapping& json = nested ? *nested : outer;
  ImportedModel model;
  ConfigReader in(json, model.defaulted);
  const HuggingFaceFamily& family = family_of(json);
  model.shape.name = model_name(json, family.model_type);
  family.read(in, model.shape);
  const std::optional<bool> outer_tie = nested ? outer.flag("tie_word_embeddings") : std::nullopt;
  model.shape.tied_embeddings = outer_tie && json.is_null("tie_word_embeddings")
                                    ? *outer_tie
                                    : in.flag("tie_word_embeddings", family.tied_by_default);
  if (const auto problem = check_shape(model.shape)) json.fail(json_key(problem->key), problem->message, problem->hint);
  for (std::string& key : json.unasked())
    if (!is_irrelevant(key)) model.ignored.push_back(std::move(key));
  return model;
}

ImportedModel load_hugging_face_config(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw InputError({path, 0, 0}, "cannot open the file");
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad() || text.fail()) throw InputError({path, 0, 0}, "cannot read the file", "is it a directory or empty?");
  return read_hugging_face_config(text.str(), path);
}

}  // namespace trainyard
