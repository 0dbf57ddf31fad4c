// The model's flags of megatron_reader.hpp, with Megatron-LM's defaults.
#include <fmt/format.h>

#include <algorithm>

#include "models/layer_pattern.hpp"
#include "sim/plan/megatron_patterns.hpp"
#include "sim/plan/megatron_reader.hpp"

namespace trainyard {

void MegatronReader::read_model() {
  ModelShape& model = import_.model;
  model.name = "imported";
  model.layers = flags_.required_integer("--num-layers", 1, max_model_layers);
  model.hidden = flags_.required_integer("--hidden-size", 1, max_model_width);
  model.heads = flags_.required_integer("--num-attention-heads", 1, max_model_width);
  read_attention();
  read_mlp();
  read_experts();
  read_latent_attention();
  read_vocabulary();
  read_positions();
  read_dropout();
  model.tied_embeddings = !flags_.given("--untie-embeddings-and-output-weights");
  const std::string norm = flags_.choice("--normalization", {"LayerNorm", "RMSNorm"}).value_or("LayerNorm");
  model.norm = norm == "RMSNorm" ? NormKind::rmsnorm : NormKind::layernorm;
  set("--mtp-num-layers", model.multi_token_prediction_layers, 0, max_model_layers);
}

void MegatronReader::read_attention() {
  ModelShape& model = import_.model;
  model.kv_heads = model.heads;
  const bool grouped = flags_.given("--group-query-attention");
  const std::optional<std::int64_t> groups = flags_.integer("--num-query-groups", 1, max_model_width);
  if (grouped) model.kv_heads = groups.value_or(1);
  if (grouped && !groups) defaulted("--num-query-groups: 1");
  if (!grouped && groups && *groups != model.heads)
    not_understood(fmt::format("--num-query-groups {} without --group-query-attention: no effect", *groups));
  if (!set("--kv-channels", model.head_dim, 1, max_model_width)) {
    if (model.hidden % model.heads != 0)
      flags_.fail(
          "--num-attention-heads",
          fmt::format("--hidden-size {} is not divisible by --num-attention-heads {}", model.hidden, model.heads),
          "or give --kv-channels");
    model.head_dim = model.hidden / model.heads;
  }
  model.linear_bias = !flags_.given("--disable-bias-linear");
  model.qkv_bias = flags_.given("--add-qkv-bias") && !model.linear_bias;
  model.qk_norm = flags_.given("--qk-layernorm");
}

// With SwiGLU Megatron-LM keeps the parameter count of the ungated MLP: int(4h * 2/3 / 64) * 64.
void MegatronReader::read_mlp() {
  ModelShape& model = import_.model;
  model.gated_mlp = flags_.given("--swiglu");
  if (set("--ffn-hidden-size", model.ffn, 1, max_model_width)) return;
  model.ffn = model.gated_mlp ? model.hidden / 24 * 64 : 4 * model.hidden;
  if (model.ffn < 1)
    flags_.fail("--hidden-size", fmt::format("--hidden-size {} is too small for --swiglu", model.hidden));
  defaulted(fmt::format("--ffn-hidden-size: {}", model.ffn));
}

void MegatronReader::read_experts() {
  std::int64_t experts = 0;
  set("--num-experts", experts, 0, max_model_width);
  if (experts == 0) return;
  MixtureOfExperts& moe = import_.model.moe.emplace();
  moe.experts = experts;
  moe.expert_ffn = import_.model.ffn;
  moe.top_k = 2;
  if (!set("--moe-router-topk", moe.top_k, 1, experts)) defaulted("--moe-router-topk: 2");
  set_width("--moe-ffn-hidden-size", moe.expert_ffn);
  if (set("--moe-shared-expert-intermediate-size", moe.shared_ffn, 1, max_model_width)) moe.shared_experts = 1;
  moe.router_bias = flags_.given("--moe-router-enable-expert-bias");
  set("--moe-router-num-groups", moe.routing_groups, 1, experts);
  set("--moe-router-group-topk", moe.routing_top_groups, 1, experts);
  read_layer_frequency();
}

void MegatronReader::read_layer_frequency() {
  const std::optional<std::string> text = flags_.word("--moe-layer-freq");
  if (!text) return;
  const auto sparse = sparse_layers(*text, static_cast<std::size_t>(import_.model.layers));
  if (!sparse || std::find(sparse->begin(), sparse->end(), true) == sparse->end())
    flags_.fail("--moe-layer-freq",
                fmt::format("--moe-layer-freq '{}' does not say for each of {} layers whether it "
                            "has experts",
                            *text, import_.model.layers),
                "a number, or a list such as ([0]*3+[1]*58)");
  const std::optional<LayerPattern> pattern = regular_pattern(*sparse);
  if (!pattern)
    flags_.fail("--moe-layer-freq", fmt::format("--moe-layer-freq '{}' is not 'the first layers dense, then every n-th "
                                                "with experts', which is all that can be expressed here",
                                                *text));
  import_.model.moe->first_dense_layers = pattern->first_dense_layers;
  import_.model.moe->layer_period = pattern->layer_period;
}

void MegatronReader::read_latent_attention() {
  if (!flags_.given("--multi-latent-attention")) return;
  LatentAttention& latent = import_.model.latent_attention.emplace(
      LatentAttention{.q_rank = 0, .kv_rank = 32, .qk_nope_head_dim = 128, .qk_rope_head_dim = 64, .v_head_dim = 128});
  set("--q-lora-rank", latent.q_rank, 0, max_model_width);
  set_width("--kv-lora-rank", latent.kv_rank);
  set_width("--qk-head-dim", latent.qk_nope_head_dim);
  set_width("--qk-pos-emb-head-dim", latent.qk_rope_head_dim);
  set_width("--v-head-dim", latent.v_head_dim);
}

void MegatronReader::read_vocabulary() {
  if (!set("--vocab-size", import_.model.vocabulary, 1, max_model_width)) {
    import_.model.vocabulary = 50257;
    defaulted("vocab_size: 50257 (our guess, GPT-2's: Megatron-LM takes it from the tokenizer files)");
  }
  const auto divisor = flags_.integer("--make-vocab-size-divisible-by", 1, max_model_width);
  if (divisor && *divisor != 128)
    not_understood(fmt::format("--make-vocab-size-divisible-by {}: the vocabulary is padded to 128", *divisor));
}

void MegatronReader::read_positions() {
  ModelShape& model = import_.model;
  const std::int64_t positions = flags_.required_integer("--max-position-embeddings", 1, max_model_positions);
  std::string kind =
      flags_.choice("--position-embedding-type", {"learned_absolute", "rope", "none"}).value_or("learned_absolute");
  if (flags_.given("--use-rotary-position-embeddings")) kind = "rope";
  if (kind == "rope") model.position = PositionEncoding::rope;
  if (kind == "none") model.position = PositionEncoding::none;
  if (kind != "learned_absolute") return;
  model.position = PositionEncoding::learned;
  model.max_positions = positions;
}

void MegatronReader::read_dropout() {
  const std::optional<double> hidden = flags_.number("--hidden-dropout");
  const std::optional<double> attention = flags_.number("--attention-dropout");
  if (!hidden) defaulted("--hidden-dropout: 0.1");
  if (!attention) defaulted("--attention-dropout: 0.1");
  import_.model.dropout = std::max(hidden.value_or(0.1), attention.value_or(0.1));
  if (hidden.value_or(0.1) != attention.value_or(0.1))
    not_understood(fmt::format("--hidden-dropout {} and --attention-dropout {}: {} is taken for both",
                               hidden.value_or(0.1), attention.value_or(0.1), import_.model.dropout));
}

}  // namespace trainyard
