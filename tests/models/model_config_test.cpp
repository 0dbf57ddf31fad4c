#include "models/model_config.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "sim/base/scenario_files.hpp"

namespace trainyard {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

const std::string minimal = "num_layers: 2\nhidden_size: 64\nnum_attention_heads: 4\nvocab_size: 1000\n";

ModelShape read(const std::string& yaml) { return read_model(read_yaml_text(yaml, "m.yaml"), "m"); }
std::string error_of(const std::string& yaml) {
  try {
    read(yaml);
  } catch (const InputError& e) {
    return e.what();
  }
  return "accepted";
}
std::string error_with(const std::string& line) { return error_of(minimal + line + "\n"); }

TEST_CASE("four keys describe a model, the rest has defaults") {
  const ModelShape m = read(minimal);
  CHECK(m.name == "m");
  CHECK(m.kv_heads == 4);
  CHECK(m.head_dim == 16);
  CHECK(m.ffn == 256);
  CHECK(m.norm == NormKind::rmsnorm);
  CHECK(m.position == PositionEncoding::rope);
  CHECK_FALSE(m.tied_embeddings);
  CHECK_FALSE(m.moe);
}

TEST_CASE("every setting is read") {
  const ModelShape m = read(
      "name: all\nnum_layers: 6\nhidden_size: 64\nnum_attention_heads: 4\nnum_query_groups: 2\nkv_channels: 32\n"
      "ffn_hidden_size: 160\nvocab_size: 1000\nswiglu: true\nuntie_embeddings_and_output_weights: false\n"
      "normalization: LayerNorm\nadd_qkv_bias: true\nqk_layernorm: true\nposition_embedding_type: learned_absolute\n"
      "max_position_embeddings: 512\nwindow_size: 128\nhidden_dropout: 0.1\nattention_dropout: 0.1\n"
      "moe: {num_experts: 8, router_topk: 2, ffn_hidden_size: 32, shared_experts: 1, shared_ffn_hidden_size: 48,\n"
      "      first_dense_layers: 2, layer_freq: 2, router_bias: true, router_num_groups: 4, router_group_topk: 2}\n"
      "mtp_num_layers: 1\n");
  const ModelShape expected{.name = "all",
                            .layers = 6,
                            .hidden = 64,
                            .heads = 4,
                            .kv_heads = 2,
                            .head_dim = 32,
                            .ffn = 160,
                            .vocabulary = 1000,
                            .max_positions = 512,
                            .gated_mlp = true,
                            .tied_embeddings = true,
                            .linear_bias = false,
                            .qkv_bias = true,
                            .qk_norm = true,
                            .norm = NormKind::layernorm,
                            .position = PositionEncoding::learned,
                            .sliding_window = 128,
                            .dropout = 0.1,
                            .moe = MixtureOfExperts{.experts = 8,
                                                    .top_k = 2,
                                                    .expert_ffn = 32,
                                                    .shared_experts = 1,
                                                    .shared_ffn = 48,
                                                    .first_dense_layers = 2,
                                                    .layer_period = 2,
                                                    .router_bias = true,
                                                    .routing_groups = 4,
                                                    .routing_top_groups = 2},
                            .latent_attention = std::nullopt,
                            .multi_token_prediction_layers = 1};
  CHECK(m == expected);
}

TEST_CASE("Hugging Face spellings are accepted beside Megatron's") {
  CHECK(read(minimal + "num_key_value_heads: 2\nhead_dim: 8\n") ==
        read(minimal + "num_query_groups: 2\nkv_channels: 8\n"));
}

TEST_CASE("latent attention sets the head width to the value width") {
  const ModelShape m = read(minimal + "multi_latent_attention: {kv_lora_rank: 8, qk_head_dim: 8, v_head_dim: 12}\n");
  CHECK(m.latent_attention->q_rank == 0);
  CHECK(m.head_dim == 12);
}

TEST_CASE("routing groups cut the experts evenly and hold those of a token") {
  const auto groups = [](const std::string& settings) {
    return error_with("moe: {num_experts: 8, router_topk: 3, " + settings + "}");
  };
  CHECK(groups("router_num_groups: 4, router_group_topk: 2") == "accepted");
  CHECK_THAT(groups("router_num_groups: 3, router_group_topk: 2"), Contains("8 experts are not divisible by 3"));
  CHECK_THAT(groups("router_num_groups: 4, router_group_topk: 1"),
             Contains("1 of 4 groups do not hold 3 experts for a token"));
  CHECK_THAT(groups("router_num_groups: 4, router_group_topk: 5"), Contains("5 of 4 groups"));
  CHECK_THAT(groups("router_num_groups: 4"), Contains("need each other"));
  CHECK_THAT(groups("router_num_groups: 0, router_group_topk: 1"), Contains("is 0, outside 1 to"));
}

TEST_CASE("max_position_embeddings matters only to learned positions") {
  CHECK(read(minimal + "max_position_embeddings: 4096\n").max_positions == 0);
}

TEST_CASE("an unknown key is refused where it stands, with the nearest known one") {
  CHECK(error_with("num_layer: 3") == "m.yaml:5:1: unknown key 'num_layer' (did you mean 'num_layers'?)");
  CHECK_THAT(error_with("moe: {num_experts: 4, router_topk: 2, layer_frequency: 2}"),
             StartsWith("m.yaml:5:39: unknown key 'layer_frequency'"));
}

TEST_CASE("a missing key is named") {
  CHECK_THAT(error_of("num_layers: 2\n"), Contains("missing key 'hidden_size'"));
  CHECK_THAT(error_with("moe: {num_experts: 4}"), Contains("missing key 'router_topk' in moe"));
}

TEST_CASE("the same setting under two names is refused") {
  CHECK_THAT(error_with("layers: 3"), Contains("given twice"));
  CHECK_THAT(error_with("num_layers: 3"), Contains("duplicate key"));
}

TEST_CASE("numbers that no model has are refused at their place") {
  CHECK_THAT(error_with("ffn_hidden_size: 0"), StartsWith("m.yaml:5:18: ffn_hidden_size is 0"));
  CHECK_THAT(error_with("ffn_hidden_size: -1"), Contains("is -1"));
  CHECK_THAT(error_with("ffn_hidden_size: 10000001"), Contains("outside 1 to 10000000"));
  CHECK_THAT(error_with("ffn_hidden_size: 99999999999999999999"), Contains("outside"));
  CHECK_THAT(error_with("ffn_hidden_size: 4e3"), Contains("must be a whole number"));
  CHECK_THAT(error_with("hidden_dropout: .nan"), Contains("finite number"));
  CHECK_THAT(error_with("hidden_dropout: 1.5"), Contains("outside"));
  CHECK_THAT(error_with("swiglu: 1"), Contains("must be true or false"));
  CHECK_THAT(error_with("normalization: RMSnorm"), Contains("did you mean 'RMSNorm'?"));
}

TEST_CASE("hidden width must divide into heads unless the head width is stated") {
  const std::string odd = "num_layers: 2\nhidden_size: 64\nnum_attention_heads: 5\nvocab_size: 1000\n";
  CHECK(error_of(odd) ==
        "m.yaml:3:22: hidden_size 64 is not divisible by 5 heads (state kv_channels, the width of one head)");
  CHECK(read(odd + "kv_channels: 16\n").q_width() == 80);
}

TEST_CASE("query heads must divide into groups") {
  CHECK_THAT(error_with("num_query_groups: 3"), StartsWith("m.yaml:5:19: 4 query heads are not divisible by 3"));
}

TEST_CASE("a token cannot be routed to more experts than there are") {
  CHECK_THAT(error_with("moe: {num_experts: 4, router_topk: 5}"),
             StartsWith("m.yaml:5:36: a token is routed to 5 experts but there are only 4"));
}

TEST_CASE("some layer must be left for the experts") {
  CHECK_THAT(error_with("moe: {num_experts: 4, router_topk: 2, first_dense_layers: 2}"),
             Contains("none of the 2 layers"));
}

TEST_CASE("learned positions need their number") {
  CHECK_THAT(error_with("position_embedding_type: learned_absolute"), Contains("need max_position_embeddings"));
}

TEST_CASE("two different dropouts are refused rather than averaged") {
  CHECK_THAT(error_with("hidden_dropout: 0.1\nattention_dropout: 0"), Contains("differs from hidden_dropout"));
}

TEST_CASE("a model too large to count is refused") {
  CHECK_THAT(error_of("num_layers: 100000\nhidden_size: 10000000\nffn: 10000000\nheads: 10\nvocab_size: 10\n"),
             Contains("parameters"));
}

TEST_CASE("every model of the source tree is read, and written so that it reads back the same") {
  const std::vector<std::string> names = scenario_names("models");
  CHECK(names.size() > 70);
  for (const std::string& name : names) {
    INFO(name);
    const ModelShape m = load_model(name).shape;
    CHECK(m.name == name);
    CHECK(read_model(read_yaml_text(to_yaml(m), "written"), "other") == m);
  }
}

TEST_CASE("a written model keeps biases, learned positions and awkward names") {
  const ModelShape m = read(
      "name: 'a \"b\" \\ #c: d'\nadd_bias_linear: true\nposition_embedding_type: learned_absolute\n"
      "max_position_embeddings: 77\nhidden_dropout: 0.1\n" +
      minimal);
  CHECK(read(to_yaml(m)) == m);
}

TEST_CASE("a mistyped model name gets a suggestion where it was written") {
  const YamlMapping scenario(read_yaml_text("model: llama3-80b\n", "s.yaml"));
  YamlMapping map = scenario;
  try {
    resolve_model(map.required("model"));
    FAIL("accepted");
  } catch (const InputError& e) {
    CHECK(to_text(e.where()) == "s.yaml:1:8");
    CHECK_THAT(e.hint(), StartsWith("did you mean 'llama3-"));
  }
}

TEST_CASE("a scenario may hold the model itself") {
  YamlMapping scenario(
      read_yaml_text("model: {num_layers: 2, hidden_size: 64, num_attention_heads: 4, vocab_size: 10}\n", "s.yaml"));
  CHECK(resolve_model(scenario.required("model")).shape.layers == 2);
}

TEST_CASE("a scenario may name a config.json, whose defaults are reported") {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "trainyard_model_config_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "config.json") << R"({"model_type": "llama", "num_hidden_layers": 3, "surprise": 1})";
  YamlMapping scenario(read_yaml_text("model: {hf_config: config.json}\n", (folder / "s.yaml").string()));
  const LoadedModel model = resolve_model(scenario.required("model"));
  CHECK(model.shape.layers == 3);
  REQUIRE(model.warnings.size() == 2);
  CHECK_THAT(model.warnings[0], Contains("hidden_size = 4096"));
  CHECK_THAT(model.warnings[1], Contains("surprise"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace trainyard
