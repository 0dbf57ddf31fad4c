// The steps of a layer as words, in order: "name" waits for everything before it, "name<5" for step 5 alone.
#include "models/operators.hpp"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <string>

using namespace trainyard;

namespace {

std::string text(const LayerSteps& steps) {
  std::string words;
  for (const LayerStep& step : steps) {
    const auto* op = std::get_if<Operator>(&step.work);
    const std::string word(op ? op->name : name(std::get<LayerCollective>(step.work).kind));
    words += (words.empty() ? "" : " ") + word + (step.after < 0 ? "" : fmt::format("<{}", step.after));
  }
  return words;
}

// Llama-3-70B.
ModelShape llama_70b() {
  ModelShape m;
  m.layers = 80;
  m.hidden = 8192;
  m.heads = 64;
  m.kv_heads = 8;
  m.head_dim = 128;
  m.ffn = 28672;
  m.vocabulary = 128256;
  m.gated_mlp = true;
  return m;
}

RankSlice rank(int tp, bool sequence_parallel) {
  RankSlice s;
  s.sequence_length = 8192;
  s.tp = tp;
  s.sequence_parallel = sequence_parallel;
  return s;
}

StackProfile stack(TpOverlap overlap) {
  StackProfile s;
  s.tp_overlap = overlap;
  return s;
}

const Gemm& gemm_of(const LayerSteps& steps, std::string_view name) {
  for (const LayerStep& step : steps)
    if (const auto* op = std::get_if<Operator>(&step.work); op && op->name == name) return std::get<Gemm>(op->work);
  FAIL("no step " << name);
  static const Gemm none;
  return none;
}

}  // namespace

TEST_CASE("a dense layer's forward has its norms, linears, attention and residuals in order") {
  CHECK(text(layer_forward(llama_70b(), false, rank(1, false), stack(TpOverlap::none))) ==
        "norm qkv_proj qkv_layout rope attention out_proj bias_dropout_add "
        "norm mlp_up activation mlp_down bias_dropout_add");
}

TEST_CASE("sequence parallelism gathers before column-parallel and scatters after row-parallel layers") {
  CHECK(text(layer_forward(llama_70b(), false, rank(8, true), stack(TpOverlap::backward))) ==
        "norm all-gather qkv_proj qkv_layout rope attention out_proj reduce-scatter bias_dropout_add "
        "norm all-gather mlp_up activation mlp_down reduce-scatter bias_dropout_add");
}

TEST_CASE("a backward overlaps the gathered input with dgrad and the reduced gradient with wgrad") {
  CHECK(text(layer_backward(llama_70b(), false, rank(8, true), stack(TpOverlap::backward), {})) ==
        "bias_dropout_add_backward all-gather mlp_down_dgrad mlp_down_wgrad activation_backward "
        "all-gather mlp_up_dgrad<4 reduce-scatter<6 mlp_up_wgrad<5 norm_backward "
        "bias_dropout_add_backward all-gather out_proj_dgrad out_proj_wgrad attention_backward rope qkv_layout "
        "all-gather qkv_proj_dgrad<16 reduce-scatter<18 qkv_proj_wgrad<17 norm_backward");
}

TEST_CASE("selective recomputation repeats its modules before the backward that needs them") {
  LayerRecompute recompute{Recompute::selective, recompute_core_attn | recompute_layernorm};
  CHECK(text(layer_backward(llama_70b(), false, rank(1, false), stack(TpOverlap::none), recompute)) ==
        "bias_dropout_add_backward norm mlp_down_dgrad mlp_down_wgrad activation_backward mlp_up_dgrad "
        "mlp_up_wgrad norm_backward bias_dropout_add_backward out_proj_dgrad out_proj_wgrad norm attention "
        "attention_backward rope qkv_layout qkv_proj_dgrad qkv_proj_wgrad norm_backward");
}

TEST_CASE("full recomputation is the forward followed by the backward") {
  const StackProfile s = stack(TpOverlap::backward);
  const RankSlice r = rank(8, true);
  CHECK(text(layer_backward(llama_70b(), false, r, s, {Recompute::full, 0}))
            .starts_with(text(layer_forward(llama_70b(), false, r, s)) + " bias_dropout_add_backward all-gather"));
}

TEST_CASE("the halves of a backward hold every step once") {
  for (const TpOverlap overlap : {TpOverlap::none, TpOverlap::backward})
    for (const bool fused : {false, true}) {
      StackProfile s = stack(overlap);
      s.fused_wgrad_accumulation = fused;
      const LayerSteps all = layer_backward(llama_70b(), false, rank(8, true), s, {});
      const LayerSteps input = input_gradient_steps(all);
      const LayerSteps weight = weight_gradient_steps(all);
      CHECK(input.size() + weight.size() == all.size());
      CHECK(weight.size() == (fused ? 4 : 8));  // four linears, each with its accumulation where that is not fused
      auto in = input.begin(), out = weight.begin();
      for (const LayerStep& step : all) CHECK((step.weight ? out++ : in++)->work == step.work);
    }
}

TEST_CASE("a step of one half that waited for the other half waits for the last step it keeps before that") {
  const LayerSteps all = layer_backward(llama_70b(), false, rank(8, true), stack(TpOverlap::backward), {});
  CHECK(text(input_gradient_steps(all)) ==
        "bias_dropout_add_backward all-gather mlp_down_dgrad activation_backward "
        "all-gather mlp_up_dgrad<3 reduce-scatter<5 norm_backward "
        "bias_dropout_add_backward all-gather out_proj_dgrad attention_backward rope qkv_layout "
        "all-gather qkv_proj_dgrad<13 reduce-scatter<15 norm_backward");
  // The first two wgrads waited for everything; those of column-parallel layers for a gather of the other half, before
  // which lies the wgrad of the row-parallel one.
  CHECK(text(weight_gradient_steps(all)) == "mlp_down_wgrad mlp_up_wgrad<0 out_proj_wgrad qkv_proj_wgrad<2");
}

TEST_CASE("fp8 runs linear layers, not the head, in fp8 and casts every input and gradient once") {
  RankSlice r = rank(1, false);
  r.precision = DataType::fp8;
  const LayerSteps forward = layer_forward(llama_70b(), false, r, stack(TpOverlap::none));
  CHECK(text(forward) ==
        "norm quantise_input qkv_proj qkv_layout rope attention quantise_input out_proj bias_dropout_add "
        "norm quantise_input mlp_up activation quantise_input mlp_down bias_dropout_add");
  CHECK(gemm_of(forward, "mlp_up").type == DataType::fp8);
  CHECK(gemm_of(head_forward(llama_70b(), r, stack(TpOverlap::none)), "logits").type == DataType::bf16);
}

TEST_CASE("the bytes of a cast depend on the recipe") {
  const auto cast = [](Fp8Recipe recipe) {
    RankSlice r = rank(1, false);
    r.precision = DataType::fp8;
    r.fp8_recipe = recipe;
    const LayerSteps forward = layer_forward(llama_70b(), false, r, stack(TpOverlap::none));
    MemoryBound work = std::get<MemoryBound>(std::get<Operator>(forward[1].work).work);
    return std::pair(work.bytes / Bytes(8192.0 * 8192), work.transposes / Bytes(8192.0 * 8192));
  };
  CHECK(cast(Fp8Recipe::delayed) == std::pair(3.0, 1.0));       // R 2, W 1, and the transposed copy on Hopper
  CHECK(cast(Fp8Recipe::current) == std::pair(5.0, 1.0));       // R 2 more for the maximum
  CHECK(cast(Fp8Recipe::blockwise) == std::pair(4.0625, 0.0));  // both copies and 4 B per 128 in each
  CHECK(cast(Fp8Recipe::mxfp8) == std::pair(4.0625, 0.0));      // both copies and 1 B per 32 in each
}

TEST_CASE("sequence-parallel fp8 inputs are gathered in one byte an element, outputs scattered in two") {
  RankSlice r = rank(8, true);
  r.precision = DataType::fp8;
  const double elements = 8192.0 * 8192;
  for (const LayerStep& step : layer_forward(llama_70b(), false, r, stack(TpOverlap::backward)))
    if (const auto* c = std::get_if<LayerCollective>(&step.work))
      CHECK(c->bytes.value == (c->kind == CollectiveKind::all_gather ? 1.0 : 2.0) * elements);
}

TEST_CASE("pipelined tensor parallelism leaves the stack's share of a collective exposed") {
  StackProfile s = stack(TpOverlap::async_tp);
  s.async_tp_exposed = 0.4;
  s.userbuffers_exposed = 0.33;
  const auto exposed = [&] {
    return std::get<LayerCollective>(layer_forward(llama_70b(), false, rank(8, true), s)[1].work).exposed;
  };
  CHECK(exposed() == 0.4);
  s.tp_overlap = TpOverlap::userbuffers;
  CHECK(exposed() == 0.33);
  s.tp_overlap = TpOverlap::backward;
  CHECK(exposed() == 1.0);
}

TEST_CASE("a multi-token-prediction module projects 2h to h") {
  const LayerSteps forward = prediction_forward(llama_70b(), rank(1, false), stack(TpOverlap::none));
  CHECK(text(forward) == "norm norm prediction_proj");
  CHECK(flops(std::get<Operator>(forward[2].work)).value == 4.0 * 8192 * 8192 * 8192);  // 4 T h^2
  CHECK(text(prediction_backward(llama_70b(), rank(1, false), stack(TpOverlap::none))) ==
        "prediction_proj_dgrad prediction_proj_wgrad norm_backward norm_backward");
}
