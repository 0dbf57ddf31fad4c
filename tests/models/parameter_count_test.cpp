#include "models/parameter_count.hpp"

#include <catch2/catch.hpp>

#include <vector>

#include "models/model_config.hpp"
#include "sim/base/scenario_files.hpp"

namespace trainyard {
namespace {

ModelShape preset(std::string_view name) { return load_model(name).shape; }
std::int64_t total(std::string_view name) { return count_parameters(preset(name)).total; }
std::int64_t layer(std::string_view name) { return layer_parameters(preset(name), false, 1).total(); }

TEST_CASE("a GPT layer holds 12 h^2 weights and 13 h biases and norms") {
  // 12 * 12288^2 + 13 * 12288 = 1 811 939 328 + 159 744
  CHECK(layer("gpt3-175b") == 1'812'099'072);
}

TEST_CASE("a gated layer with grouped queries counts its five kinds of matrices") {
  // Llama-3-8B: 4096*(4096+2*1024) + 4096*4096 + 3*4096*14336 + 2*4096
  CHECK(layer("llama3-8b") == 218'112'000);
  CHECK(layer("llama3-70b") == 855'654'400);
  CHECK(layer("llama3.1-405b") == 3'187'703'808);
}

TEST_CASE("GPT-3 has 174.6 billion parameters with its own vocabulary and a little more with the padded one") {
  // 96 layers * 1 812 099 072 + final norm 2*12288 + positions 2048*12288 + embedding V*12288 (tied)
  CHECK(total("gpt3-175b") == 174'604'259'328);
  CHECK(count_parameters(preset("gpt3-175b"), 51200).total == 174'615'846'912);
}

TEST_CASE("the Megatron GPT family matches its names") {
  CHECK(total("megatron-22b") == 22'074'273'792);
  CHECK(total("megatron-530b") == 529'600'819'200);
  CHECK(total("megatron-1t") == 1'008'038'758'400);
}

TEST_CASE("the parameter counts of published checkpoints are met to the last one") {
  CHECK(total("llama2-7b") == 6'738'415'616);
  CHECK(total("llama2-13b") == 13'015'864'320);
  CHECK(total("llama2-70b") == 68'976'648'192);
  CHECK(total("llama3-8b") == 8'030'261'248);
  CHECK(total("llama3-70b") == 70'553'706'496);
  CHECK(total("llama3.1-405b") == 405'853'388'800);
  CHECK(total("mistral-7b") == 7'241'732'096);
  // 44 * (12*6144^2 + 13*6144) + 2 * 50432*6144 + 2*6144
  CHECK(total("gpt-neox-20b") == 20'554'567'680);
  // 12 * (12*768^2 + 13*768) + (50257 + 1024)*768 + 2*768
  CHECK(total("gpt2") == 124'439'808);
}

TEST_CASE("QKV biases are counted on Q, K and V only") {
  // Qwen2.5-72B: 80 layers * (8192 + 2*1024) biases on top of the matrices
  CHECK(total("qwen2.5-72b") == 72'706'203'648);
  ModelShape plain = preset("qwen2.5-72b");
  plain.qkv_bias = false;
  CHECK(count_parameters(plain).total == 72'706'203'648 - 80 * (8192 + 2 * 1024));
}

TEST_CASE("Q and K norms add two head widths per layer") {
  ModelShape plain = preset("qwen3-8b");
  plain.qk_norm = false;
  CHECK(total("qwen3-8b") - count_parameters(plain).total == 36 * 2 * 128);
  CHECK(total("qwen3-8b") == 8'190'735'360);  // the count of the published checkpoint
}

TEST_CASE("Mixtral activates two of its eight experts") {
  const ParameterCount n = count_parameters(preset("mixtral-8x7b"));
  CHECK(n.total == 46'702'792'704);
  // 32 layers * 6 idle experts * 3*4096*14336 less
  CHECK(n.active == 12'879'925'248);
}

TEST_CASE("latent attention counts its down-projections, up-projections and latent norms") {
  // 7168*1536 + 1536 + 1536*128*192 + 7168*576 + 512 + 512*128*256 + 128*128*7168
  const ModelShape m = preset("deepseek-v3");
  CHECK(count_parameters(m).attention == 61 * std::int64_t{187'107'328});
}

TEST_CASE("DeepSeek-V3 is 671 billion parameters of which 37.6 are active") {
  const ParameterCount n = count_parameters(preset("deepseek-v3"));
  CHECK(n.total == 671'026'419'200);  // with 58 * 256 router biases
  CHECK(n.active == 37'552'297'472);
  CHECK(n.mlp == 3 * std::int64_t{3} * 7168 * 18432);
  CHECK(n.router == 58 * (std::int64_t{7168} * 256 + 256));
}

TEST_CASE("DeepSeek-V3's multi-token prediction module is counted apart from the main model") {
  ModelShape m = preset("deepseek-v3");
  m.multi_token_prediction_layers = 1;
  const ParameterCount n = count_parameters(m);
  // One MoE layer + 2*7168^2 + 3*7168; embedding and head are shared
  CHECK(n.mtp == 11'610'068'224);
  CHECK(n.total == 671'026'419'200);
}

TEST_CASE("DeepSeek-V2 is 236 billion parameters of which 21 are active") {
  const ParameterCount n = count_parameters(preset("deepseek-v2"));
  CHECK(n.total == 235'741'434'880);
  CHECK(n.active == 21'375'800'320);
}

TEST_CASE("tensor parallelism divides matrices and copies norms and row biases") {
  const ModelShape gpt = preset("gpt3-175b");
  const std::int64_t h = 12288;
  const LayerParameters rank = layer_parameters(gpt, false, 8);
  CHECK(rank.sharded == (12 * h * h + 3 * h + 4 * h) / 8);  // matrices, QKV bias, up bias
  CHECK(rank.replicated == 2 * h + 4 * h);                  // two row biases, two LayerNorms
}

TEST_CASE("key-value heads are copied where there are more ranks than heads") {
  const ModelShape m = preset("llama3-70b");
  // 16 ranks: 4 query heads and 1 of 8 key-value heads each
  const std::int64_t attention = 8192 * (4 * 128 + 2 * 128) + 4 * 128 * 8192;
  CHECK(layer_parameters(m, false, 16).sharded == attention + 3 * std::int64_t{8192} * 28672 / 16);
}

TEST_CASE("latent down-projections and the router are on every tensor-parallel rank") {
  const ModelShape m = preset("deepseek-v3");
  const LayerParameters rank = layer_parameters(m, true, 8, 32, 1);
  const std::int64_t h = 7168;
  CHECK(rank.replicated == h * 1536 + 1536 + h * 576 + 512 + 2 * h + h * 256 + 256);
  CHECK(rank.routed_experts == 256 / 32 * 3 * h * 2048);
}

TEST_CASE("expert tensor parallelism cuts each expert's width") {
  const ModelShape m = preset("mixtral-8x7b");
  CHECK(layer_parameters(m, true, 2, 4, 2).routed_experts == 2 * std::int64_t{3} * 4096 * 7168);
}

TEST_CASE("vocabulary rows are padded to 128 times the tensor-parallel degree") {
  const ModelShape m = preset("gpt3-175b");
  CHECK(padded_vocabulary(m, 1) == 50304);
  CHECK(padded_vocabulary(m, 8) == 51200);
  CHECK(vocabulary_parameters(m, 8) == 6400 * std::int64_t{12288});
}

TEST_CASE("the layers of every model add up to its whole count") {
  for (const std::string& name : scenario_names("models")) {
    INFO(name);
    const ModelShape m = preset(name);
    const ParameterCount n = count_parameters(m);
    std::int64_t sum = n.embedding + n.position + n.final_norm + n.head;
    for (std::int64_t i = 0; i < m.layers; ++i) sum += layer_parameters(m, is_moe_layer(m, i), 1).total();
    CHECK(sum == n.total);
  }
}

TEST_CASE("the mixture-of-experts layers of every model are those the closed form counts") {
  for (const std::string& name : scenario_names("models")) {
    INFO(name);
    const ModelShape m = preset(name);
    std::int64_t sparse = 0;
    for (std::int64_t i = 0; i < m.layers; ++i) sparse += is_moe_layer(m, i) ? 1 : 0;
    CHECK(sparse == moe_layer_count(m));
  }
}

TEST_CASE("every second layer is sparse when the period is two, starting with the second") {
  const ModelShape m = preset("llama4-maverick-400b");
  CHECK_FALSE(is_moe_layer(m, 0));
  CHECK(is_moe_layer(m, 1));
  CHECK_FALSE(is_moe_layer(m, 2));
  CHECK(moe_layer_count(m) == 24);
}

}  // namespace
}  // namespace trainyard
