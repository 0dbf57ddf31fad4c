// What latent attention, mixtures of experts, context parallelism, 8-bit operands and recomputed modules change in the
// bytes of a layer. Expected values are sums per token of the tensors named, in the order of the forward.
#include <catch2/catch.hpp>

#include "models/memory_cost.hpp"
#include "models/model_config.hpp"
#include "models/profile_yaml.hpp"

namespace trainyard {
namespace {

constexpr std::int64_t tokens = 4096;

ModelShape preset(const char* name) { return load_model(name).shape; }
RankSlice slice() {
  RankSlice s;
  s.sequence_length = tokens;
  return s;
}
RankSlice tensor_parallel(int tp, int etp) {
  RankSlice s = slice();
  s.tp = tp;
  s.sequence_parallel = true;
  s.etp = etp;
  return s;
}
RankSlice context_parallel(int cp, ContextParallelKind kind) {
  RankSlice s = slice();
  s.cp = cp;
  s.cp_kind = kind;
  return s;
}
RankSlice narrow(DataType type) {
  RankSlice s = slice();
  s.precision = type;
  return s;
}
LayerRecompute modules(std::uint32_t set) { return {Recompute::selective, set}; }

double saved(const ModelShape& m, bool moe, const RankSlice& s = slice(), const LayerRecompute& r = {}) {
  return layer_activations(m, moe, s, StackProfile{}, r).value / tokens;
}
double dropped(const ModelShape& m, bool moe, std::uint32_t set) {
  return saved(m, moe) - saved(m, moe, slice(), modules(set));
}

// 128 heads of 192 (scores) and 128 (values): Q, K, V 2*128*(192+192+128), the core's output 2*128*128, 4 B of
// log-sum-exp per head; latents of 1536 and 512 + 64, and the 1536 and 512 normed.
constexpr double latent_attention = 131'072 + 32'768 + 512 + 2 * (1536 + 576) + 2 * (1536 + 512);

TEST_CASE("latent attention saves its latents, twice, and every head's Q, K and V") {
  CHECK(saved(preset("deepseek-v3"), false) == 8 * 7168 + latent_attention + 6 * 18432);
}

TEST_CASE("latents are cut by sequence parallelism only") {
  ModelShape m = preset("deepseek-v3");
  RankSlice without = tensor_parallel(4, 1);
  without.sequence_parallel = false;
  const double with_sp = saved(m, false, tensor_parallel(4, 1));
  // residual stream, norms and latents of three quarters of the tokens
  CHECK(saved(m, false, without) - with_sp == 0.75 * (8 * 7168 + 2 * (1536 + 576) + 2 * (1536 + 512)));
}

TEST_CASE("a mixture of experts saves its routed tokens and the router's tables") {
  // Mixtral: 2 of 8 experts of 14336; h = 4096, q = 4096, k = 1024, 32 heads
  const double attention = 2 * (4096 + 2 * 1024) + 2 * 4096 + 4 * 32;
  const double routed = 2 * (2 * 4096 + 6 * 14336 + 4);
  CHECK(saved(preset("mixtral-8x7b"), true) == 8 * 4096 + attention + routed + 17 * 8);
}

TEST_CASE("shared experts save what a dense MLP of their width would") {
  // DeepSeek-V2: 6 of 160 experts and two shared ones of 1536
  const double routed = 6 * (2 * 5120 + 6 * 1536 + 4);
  CHECK(saved(preset("deepseek-v2"), true) == 8 * 5120 + latent_attention + 6 * 3072 + routed + 17 * 160);
}

TEST_CASE("routed activations follow the load of the fullest rank, or the capacity that is padded to") {
  const ModelShape m = preset("mixtral-8x7b");
  const double routed = 2 * (2 * 4096 + 6 * 14336 + 4);
  RankSlice s = slice();
  s.expert_imbalance = 1.5;
  CHECK(saved(m, true, s) - saved(m, true) == 0.5 * routed);
  s.capacity_factor = 1.25;
  CHECK(saved(m, true, s) - saved(m, true) == 0.25 * routed);
}

TEST_CASE("weighting the experts' outputs after they returned keeps those outputs") {
  const ModelShape m = preset("mixtral-8x7b");
  StackProfile later;
  later.expert_outputs_weighted = true;
  CHECK(layer_activations(m, true, slice(), later, {}).value / tokens - saved(m, true) == 2 * 2 * 4096);
}

TEST_CASE("expert tensor parallelism gathers tokens and cuts widths") {
  const ModelShape m = preset("mixtral-8x7b");
  // per token and choice: tp 2 leaves half of the tokens, etp 2 gathers both halves for half of each expert
  const double apart = saved(m, true, tensor_parallel(2, 1)), cut = saved(m, true, tensor_parallel(2, 2));
  CHECK(cut - apart == 2 * 0.5 * (2 * 4096 + 4));
}

TEST_CASE("expert parallelism moves tokens without changing how many a rank computes") {
  const ModelShape m = preset("deepseek-v3");
  RankSlice s = slice();
  s.ep = 32;
  CHECK(saved(m, true, s) == saved(m, true));
}

TEST_CASE("context parallelism divides a layer's activations, whichever way K and V travel") {
  const ModelShape m = preset("llama3-70b");
  for (ContextParallelKind kind : {ContextParallelKind::ring, ContextParallelKind::all_gather})
    CHECK(saved(m, false, context_parallel(4, kind)) == saved(m, false) / 4);
}

TEST_CASE("all-to-all over heads keeps the attention output in both layouts") {
  const ModelShape m = preset("llama3-70b");
  for (ContextParallelKind kind : {ContextParallelKind::ulysses, ContextParallelKind::hierarchical})
    CHECK(saved(m, false, context_parallel(4, kind)) == (saved(m, false) + 2 * 8192) / 4);
}

TEST_CASE("8-bit linear layers keep the cast of their inputs") {
  // Llama-3-8B: norm inputs 4h, cast norm outputs 2h, Q K V and the output in 16 bit, its cast, gate|up in 16 bit and
  // the cast of their product
  const double attention = 2 * (4096 + 2 * 1024) + 3 * 4096 + 4 * 32;
  CHECK(saved(preset("llama3-8b"), false, narrow(DataType::fp8)) == 6 * 4096 + attention + 5 * 14336);
}

TEST_CASE("8-bit attention keeps Q, K, V and its output in 8 bit") {
  RankSlice s = narrow(DataType::fp8);
  s.fp8_attention = true;
  const double attention = (4096 + 2 * 1024) + 2 * 4096 + 4 * 32;
  CHECK(saved(preset("llama3-8b"), false, s) == 6 * 4096 + attention + 5 * 14336);
}

TEST_CASE("4-bit linear layers keep half a byte per input element") {
  const double attention = 2 * (4096 + 2 * 1024) + 2.5 * 4096 + 4 * 32;
  CHECK(saved(preset("llama3-8b"), false, narrow(DataType::nvfp4)) == 5 * 4096 + attention + 4.5 * 14336);
}

TEST_CASE("in 8 bit the router keeps its 16-bit input beside the shared experts' cast") {
  // norm 1 feeds two down-projections, each with its own cast; norm 2 the router and the shared experts
  const double norms = 4 * 7168 + 2 * 7168 + (2 + 1) * 7168;
  const double attention = 131'072 + 3 * 16'384 + 512 + 2 * (1536 + 576) + (1536 + 512);
  const double experts = 5 * 2048 + 8 * (7168 + 5 * 2048 + 4) + 17 * 256;
  CHECK(saved(preset("deepseek-v3"), true, narrow(DataType::fp8)) == norms + attention + experts);
}

TEST_CASE("fp32 training keeps four bytes per element") {
  const double log_sum_exp = 4 * 32;
  CHECK(saved(preset("llama3-8b"), false, narrow(DataType::fp32)) == 2 * 139'264 + log_sum_exp);
}

TEST_CASE("each recomputed module drops its own tensors") {
  const ModelShape dense = preset("llama3-8b"), sparse = preset("deepseek-v3");
  const double act = 8 * 2 * 2048, routed = 8 * (2 * 7168 + 6 * 2048 + 4), shared = 6 * 2048, router = 17 * 256;
  CHECK(dropped(dense, false, recompute_core_attn) == 0);  // flash attention keeps no scores
  CHECK(dropped(dense, false, recompute_layernorm) == 4 * 4096);
  CHECK(dropped(dense, false, recompute_mlp) == 6 * 14336);
  CHECK(dropped(sparse, true, recompute_moe_act) == act);
  CHECK(dropped(sparse, true, recompute_shared_experts) == shared);
  CHECK(dropped(sparse, true, recompute_moe) == routed + shared + router);
  CHECK(dropped(sparse, true, recompute_mla_up_proj) == 131'072 + 2 * (1536 + 512));
}

TEST_CASE("modules that a layer does not have drop nothing") {
  const ModelShape dense = preset("llama3-8b");
  CHECK(dropped(dense, false, recompute_moe | recompute_moe_act | recompute_shared_experts | recompute_mla_up_proj) ==
        0);
  CHECK(dropped(preset("mixtral-8x7b"), true, recompute_mlp | recompute_shared_experts) == 0);
}

TEST_CASE("full recomputation keeps the input of any layer") {
  for (const char* name : {"llama3-8b", "mixtral-8x7b", "deepseek-v3"}) {
    const ModelShape m = preset(name);
    CHECK(saved(m, m.moe.has_value(), slice(), {Recompute::full, 0}) == 2.0 * static_cast<double>(m.hidden));
  }
}

TEST_CASE("more tensor parallelism never holds more of a mixture of experts") {
  for (const char* name : {"mixtral-8x7b", "deepseek-v3"}) {
    const ModelShape m = preset(name);
    for (int tp : {1, 2, 4})
      for (bool cut : {false, true}) {
        INFO(name << " tp " << tp);
        CHECK(saved(m, true, tensor_parallel(2 * tp, cut ? 2 * tp : 1)) <=
              saved(m, true, tensor_parallel(tp, cut ? tp : 1)));
      }
  }
}

// --- split backward ---

double stored(const ModelShape& m, bool moe, const RankSlice& s = slice()) {
  return weight_gradient_store(m, moe, s, StackProfile{}).value / tokens;
}

TEST_CASE("deferred weight gradients keep the inputs of the linear layers and the gradients of their outputs") {
  // Llama-3-8B: (h, q + 2k), (q, h), (h, 2f), (f, h)
  CHECK(stored(preset("llama3-8b"), false) == 2 * (4096 + 6144 + 4096 + 4096 + 4096 + 28672 + 14336 + 4096));
}

TEST_CASE("deferred weight gradients of a mixture keep routed tokens, of latent attention its latents") {
  // (h, 1536 + 576) shared by both down-projections, (1536, 128*192), (512, 128*256), (128*128, h)
  const double attention = 7168 + 2112 + 1536 + 24576 + 512 + 32768 + 16384 + 7168;
  const double shared = 7168 + 4096 + 2048 + 7168;
  const double routed = 8 * (7168 + 4096 + 2048 + 7168);
  CHECK(stored(preset("deepseek-v3"), true) == 2 * (attention + shared + routed));
}

TEST_CASE("deferred operands are stored gathered over the sequence") {
  // h of the four linear layers whole, the rest a quarter
  CHECK(stored(preset("llama3-8b"), false, tensor_parallel(4, 1)) ==
        2 * (4 * 4096 + (6144 + 4096 + 28672 + 14336) / 4));
}

}  // namespace
}  // namespace trainyard
