// Working sets, communication buffers, weight-gradient placeholders and states.
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

// --- working sets ---

double working(const ModelShape& m, bool moe, const LayerRecompute& r = {}, const RankSlice& s = slice()) {
  return backward_working_set(m, moe, s, StackProfile{}, r).value / tokens;
}

TEST_CASE("a dense layer works on the gradients of its MLP") {
  CHECK(working(preset("llama3-8b"), false) == 6 * 14336);
  CHECK(working(preset("gpt3-175b"), false) == 4 * 49152);  // wider than attention's 2 * (12288 + 3 * 12288)
}

TEST_CASE("a mixture of experts works on the gradients of its routed tokens") {
  // 8 choices of gate|up and input, wider than 6 f_e, than the shared expert's and attention's
  CHECK(working(preset("deepseek-v3"), true) == 8 * 2 * (2 * 2048 + 7168));
}

TEST_CASE("where the MLP is narrow the gradients of latent attention are the widest") {
  // dO 128*128; dQ, dK 128*192; dV 128*128
  CHECK(working(preset("deepseek-v3"), false) == 2 * 128 * (128 + 192 + 192 + 128));
}

TEST_CASE("recomputed tensors live in the working set") {
  const ModelShape m = preset("deepseek-v3");
  const double all = layer_activations(m, true, slice(), StackProfile{}, {}).value / tokens;
  CHECK(working(m, true, {Recompute::full, 0}) == working(m, true) + all);
  CHECK(working(m, true, {Recompute::selective, recompute_moe_act}) == working(m, true) + 8 * 2 * 2048);
}

// --- head and prediction modules ---

TEST_CASE("a prediction module keeps the inputs of its norms and of its projection") {
  CHECK(prediction_activations(preset("deepseek-v3"), slice(), StackProfile{}).value / tokens == 8 * 7168);
  RankSlice cut = slice();
  cut.tp = 2;
  cut.sequence_parallel = true;
  CHECK(prediction_activations(preset("deepseek-v3"), cut, StackProfile{}).value / tokens == 4 * 7168);
}

TEST_CASE("context parallelism divides the head's activations") {
  const ModelShape m = preset("llama3-8b");
  RankSlice cut = slice();
  cut.cp = 4;
  CHECK(4.0 * head_activations(m, cut, StackProfile{}) == head_activations(m, slice(), StackProfile{}));
}

// --- communication buffers ---

double buffers(const ModelShape& m, const RankSlice& s) { return gather_buffers(m, s, StackProfile{}).value; }

TEST_CASE("one rank alone needs no communication buffers") {
  for (const char* name : {"llama3-8b", "deepseek-v3"}) CHECK(buffers(preset(name), slice()) == 0);
}

TEST_CASE("sequence parallelism gathers two hidden activations") {
  RankSlice s = slice();
  s.tp = 8;
  s.sequence_parallel = true;
  CHECK(buffers(preset("llama3-70b"), s) == 2 * 2.0 * tokens * 8192);
}

TEST_CASE("context parallelism exchanges through buffers of K and V") {
  const ModelShape m = preset("llama3-70b");
  RankSlice s = slice();
  s.cp = 4;
  s.sequence_length = 4 * tokens;
  const double kv = 2.0 * tokens * 2 * 1024, q = 2.0 * tokens * 8192;
  CHECK(buffers(m, s) == 4 * kv);  // ring: K, V, dK, dV coming and going
  s.cp_kind = ContextParallelKind::all_gather;
  CHECK(buffers(m, s) == 2 * 4 * kv);  // of the whole sequence, and their gradients
  s.cp_kind = ContextParallelKind::ulysses;
  CHECK(buffers(m, s) == q + kv);
  s.cp_kind = ContextParallelKind::hierarchical;
  s.cp_inner = 2;
  CHECK(buffers(m, s) == q + kv + 4 * kv);
  s.cp_inner = 4;  // nothing left for the ring
  CHECK(buffers(m, s) == q + kv);
}

TEST_CASE("expert all-to-all needs what is sent and what arrives") {
  const ModelShape m = preset("deepseek-v3");
  RankSlice s = slice();
  s.ep = 8;
  const double pairs = 8.0 * tokens * 2 * 7168;
  CHECK(buffers(m, s) == 2 * pairs);
  s.expert_imbalance = 1.5;
  CHECK(buffers(m, s) == 2.5 * pairs);
}

TEST_CASE("the all-gather dispatcher holds every token of the group, in and out") {
  RankSlice s = slice();
  s.ep = 8;
  s.dispatcher = ExpertDispatcher::all_gather;
  CHECK(buffers(preset("mixtral-8x7b"), s) == 2 * 2.0 * 8 * tokens * 4096);
}

TEST_CASE("DeepEP holds its rings and each token once per rank that hosts one of its experts") {
  const ModelShape m = preset("deepseek-v3");
  RankSlice s = slice();
  s.ep = 8;
  s.dispatcher = ExpertDispatcher::deepep;
  const double token = 2 * 7168;
  // 1 - (7/8)^8 = 65.64 % of the tokens of 8 ranks; 10 channels, 8 peers, 256 tokens
  const double received = (1 - 5764801.0 / 16777216.0) * 8 * tokens;
  CHECK(buffers(m, s) == Approx(token * (received + 10 * 8 * 256)).epsilon(1e-12));
  s.ep_nodes = 2;  // four peers a node, and 10 channels, 2 nodes, 128 tokens each way
  CHECK(buffers(m, s) == Approx(token * (received + 10 * 4 * 256 + 10 * 2 * 256)).epsilon(1e-12));
}

// --- weight-gradient placeholders ---

double placeholders(const ModelShape& m, const StageContents& contents, const RankSlice& s = slice()) {
  StackProfile stack;
  stack.dummy_wgrads = true;
  return dummy_wgrad_buffers(m, contents, s, stack).value / 2;
}

TEST_CASE("a placeholder per weight shape of the stage") {
  const double h = 8192, qkv = 8192 + 2 * 1024, f = 28672;
  const double layer = qkv * h + h * h + 2 * f * h + h * f;
  CHECK(placeholders(preset("llama3-70b"), {}) == layer);
  CHECK(placeholders(preset("llama3-70b"), {.head = true}) == layer + 128256 * h);
}

TEST_CASE("equal weight shapes share a placeholder") {
  // GPT-3 at tp 4: up and down are both 12288 x 12288
  RankSlice s = slice();
  s.tp = 4;
  const double h = 12288;
  CHECK(placeholders(preset("gpt3-175b"), {}, s) == 0.75 * h * h + 0.25 * h * h + h * h);
}

TEST_CASE("experts share their placeholders with each other and with a shared expert of their width") {
  const double h = 7168;
  const double attention = 1536 * h + 24576 * 1536 + 576 * h + 32768 * 512 + h * 16384;
  const double expert = 3 * h * 2048;
  const StageContents sparse{.dense_layers = false, .moe_layers = true};
  CHECK(placeholders(preset("deepseek-v3"), sparse) == attention + expert);
  CHECK(placeholders(preset("deepseek-v3"), {.moe_layers = true}) == attention + expert + 3 * h * 18432);
  // Of DeepSeek-V2 the shared experts are twice as wide
  const double attention2 = 1536 * 5120 + 24576 * 1536 + 576 * 5120 + 32768 * 512 + 5120 * 16384;
  CHECK(placeholders(preset("deepseek-v2"), sparse) == attention2 + 3 * 5120 * 1536 + 3 * 5120 * 3072);
}

TEST_CASE("a prediction module adds its projection's placeholder") {
  const ModelShape m = preset("deepseek-v3");
  CHECK(placeholders(m, {.prediction = true}) - placeholders(m, {}) == 2.0 * 7168 * 7168);
}

TEST_CASE("stacks without placeholders hold none") {
  CHECK(dummy_wgrad_buffers(preset("llama3-70b"), {.head = true}, slice(), StackProfile{}) == Bytes(0));
}

// --- states, NCCL, context ---

TEST_CASE("8-bit parameters are kept in the two layouts that forward and backward read") {
  const ModelStates s = model_states(1, 1.0 / 8, DataType::fp8, DataType::fp32, true);
  CHECK(s.weights.value == 2);  // 1 + 1
  CHECK(s.total().value == 1 + 5 + 12.0 / 8);
}

TEST_CASE("an NCCL channel holds the buffers of three protocols per peer and direction") {
  CHECK(nccl_buffers(1, 1, 1).value == 524'288 + 4'915'200 + 4'194'304);
  CHECK(nccl_buffers(2, 3).value == 2 * 3 * 2 * nccl_buffers(1, 1, 1).value);
}

TEST_CASE("a CUDA context with lazily loaded modules takes 0.47 GiB on A100") {
  // Measured with torch 2.1 (ml-engineering)
  CHECK(in_gib(load_device_profile("a100-sxm-80gb").context) == Approx(0.47).margin(0.005));
}

}  // namespace
}  // namespace trainyard
