#include "models/hugging_face_config.hpp"

#include <catch2/catch.hpp>

#include "models/model_config.hpp"
#include "models/parameter_count.hpp"
#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

ImportedModel import(const std::string& json) { return read_hugging_face_config(json, "config.json"); }
std::int64_t total(const std::string& json) { return count_parameters(import(json).shape).total; }

// The preset of that name, called as the import calls it.
ModelShape preset(std::string_view name, std::string_view called) {
  ModelShape m = load_model(name).shape;
  m.name = called;
  return m;
}

std::string error_of(const std::string& json) {
  try {
    import(json);
  } catch (const InputError& e) {
    return e.what();
  }
  return "accepted";
}
std::string error_with(const std::string& line) {
  return error_of("{\n  \"model_type\": \"llama\",\n  " + line + "\n}");
}

const std::string llama_3_8b = R"({
  "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 128000,
  "eos_token_id": 128001, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
  "intermediate_size": 14336, "max_position_embeddings": 8192, "model_type": "llama", "num_attention_heads": 32,
  "num_hidden_layers": 32, "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null,
  "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
  "transformers_version": "4.40.0.dev0", "use_cache": true, "vocab_size": 128256})";

const std::string mistral_7b = R"({
  "architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
  "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336, "max_position_embeddings": 32768,
  "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
  "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096, "tie_word_embeddings": false,
  "torch_dtype": "bfloat16", "transformers_version": "4.34.0.dev0", "use_cache": true, "vocab_size": 32000})";

const std::string qwen2_5_72b = R"({
  "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151643,
  "hidden_act": "silu", "hidden_size": 8192, "initializer_range": 0.02, "intermediate_size": 29568,
  "max_position_embeddings": 131072, "max_window_layers": 80, "model_type": "qwen2", "num_attention_heads": 64,
  "num_hidden_layers": 80, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
  "sliding_window": 131072, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.40.1",
  "use_cache": true, "use_mrope": false, "use_sliding_window": false, "vocab_size": 152064})";

const std::string qwen3_8b = R"({
  "architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 151643,
  "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
  "intermediate_size": 12288, "max_position_embeddings": 40960, "max_window_layers": 36, "model_type": "qwen3",
  "num_attention_heads": 32, "num_hidden_layers": 36, "num_key_value_heads": 8, "rms_norm_eps": 1e-06,
  "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null, "tie_word_embeddings": false,
  "torch_dtype": "bfloat16", "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false,
  "vocab_size": 151936})";

const std::string gpt2 = R"({
  "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1, "bos_token_id": 50256,
  "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05,
  "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024,
  "resid_pdrop": 0.1, "summary_activation": null, "summary_first_dropout": 0.1, "summary_proj_to_labels": true,
  "summary_type": "cls_index", "summary_use_proj": true,
  "task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50}}, "vocab_size": 50257})";

const std::string gpt_neox_20b = R"({
  "architectures": ["GPTNeoXForCausalLM"], "attention_probs_dropout_prob": 0, "bos_token_id": 0, "eos_token_id": 0,
  "hidden_act": "gelu_fast", "hidden_dropout_prob": 0, "hidden_size": 6144, "initializer_range": 0.02,
  "intermediate_size": 24576, "layer_norm_eps": 1e-05, "max_position_embeddings": 2048, "model_type": "gpt_neox",
  "num_attention_heads": 64, "num_hidden_layers": 44, "rotary_emb_base": 10000, "rotary_pct": 0.25,
  "tie_word_embeddings": false, "torch_dtype": "float16", "transformers_version": "4.19.0.dev0", "use_cache": true,
  "vocab_size": 50432})";

const std::string mixtral_8x7b = R"({
  "architectures": ["MixtralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
  "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
  "max_position_embeddings": 32768, "model_type": "mixtral", "num_attention_heads": 32, "num_experts_per_tok": 2,
  "num_hidden_layers": 32, "num_key_value_heads": 8, "num_local_experts": 8, "output_router_logits": false,
  "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "router_aux_loss_coef": 0.02, "sliding_window": null,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.36.0.dev0", "use_cache": true,
  "vocab_size": 32000})";

const std::string qwen3_30b_a3b = R"({
  "architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 151643,
  "decoder_sparse_step": 1, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048,
  "initializer_range": 0.02, "intermediate_size": 6144, "max_position_embeddings": 40960, "max_window_layers": 48,
  "mlp_only_layers": [], "model_type": "qwen3_moe", "moe_intermediate_size": 768, "norm_topk_prob": true,
  "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48,
  "num_key_value_heads": 4, "output_router_logits": false, "rms_norm_eps": 1e-06, "rope_scaling": null,
  "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001, "sliding_window": null, "tie_word_embeddings": false,
  "torch_dtype": "bfloat16", "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false,
  "vocab_size": 151936})";

const std::string deepseek_v2 = R"({
  "architectures": ["DeepseekV2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "aux_loss_alpha": 0.001, "bos_token_id": 100000, "eos_token_id": 100001, "ep_size": 1, "first_k_dense_replace": 1,
  "hidden_act": "silu", "hidden_size": 5120, "initializer_range": 0.02, "intermediate_size": 12288,
  "kv_lora_rank": 512, "max_position_embeddings": 163840, "model_type": "deepseek_v2", "moe_intermediate_size": 1536,
  "moe_layer_freq": 1, "n_group": 8, "n_routed_experts": 160, "n_shared_experts": 2, "norm_topk_prob": false,
  "num_attention_heads": 128, "num_experts_per_tok": 6, "num_hidden_layers": 60, "num_key_value_heads": 128,
  "pretraining_tp": 1, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06,
  "rope_theta": 10000, "routed_scaling_factor": 16.0, "scoring_func": "softmax", "seq_aux": true,
  "tie_word_embeddings": false, "topk_group": 3, "topk_method": "group_limited_greedy", "torch_dtype": "bfloat16",
  "transformers_version": "4.39.3", "use_cache": true, "v_head_dim": 128, "vocab_size": 102400})";

const std::string deepseek_v3 = R"({
  "architectures": ["DeepseekV3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 0,
  "eos_token_id": 1, "ep_size": 1, "first_k_dense_replace": 3, "hidden_act": "silu", "hidden_size": 7168,
  "initializer_range": 0.02, "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840,
  "model_type": "deepseek_v3", "moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_group": 8,
  "n_routed_experts": 256, "n_shared_experts": 1, "norm_topk_prob": true, "num_attention_heads": 128,
  "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_key_value_heads": 128, "num_nextn_predict_layers": 1,
  "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
  "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
                          "weight_block_size": [128, 128]},
  "rms_norm_eps": 1e-06, "rope_theta": 10000, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
  "tie_word_embeddings": false, "topk_group": 4, "topk_method": "noaux_tc", "torch_dtype": "bfloat16",
  "transformers_version": "4.33.1", "use_cache": true, "v_head_dim": 128, "vocab_size": 129280})";

TEST_CASE("published config.json files become the presets of the same models") {
  CHECK(import(llama_3_8b).shape == preset("llama3-8b", "llama"));
  CHECK(import(mistral_7b).shape == preset("mistral-7b", "mistral"));
  CHECK(import(qwen2_5_72b).shape == preset("qwen2.5-72b", "qwen2"));
  CHECK(import(qwen3_8b).shape == preset("qwen3-8b", "qwen3"));
  CHECK(import(gpt2).shape == preset("gpt2", "gpt2"));
  CHECK(import(gpt_neox_20b).shape == preset("gpt-neox-20b", "gpt_neox"));
  CHECK(import(mixtral_8x7b).shape == preset("mixtral-8x7b", "mixtral"));
  CHECK(import(qwen3_30b_a3b).shape == preset("qwen3-30b-a3b", "qwen3_moe"));
  CHECK(import(deepseek_v2).shape == preset("deepseek-v2", "deepseek_v2"));
}

TEST_CASE("DeepSeek-V3's config.json is the preset with its multi-token prediction module") {
  ModelShape expected = preset("deepseek-v3", "deepseek_v3");
  expected.multi_token_prediction_layers = 1;
  CHECK(import(deepseek_v3).shape == expected);
}

TEST_CASE("imported checkpoints have their published parameter counts") {
  CHECK(total(llama_3_8b) == 8'030'261'248);
  CHECK(total(gpt2) == 124'439'808);
  CHECK(total(gpt_neox_20b) == 20'554'567'680);
  CHECK(total(qwen3_30b_a3b) == 30'532'122'624);
}

TEST_CASE("a complete file leaves nothing to defaults but the head width") {
  CHECK(import(llama_3_8b).defaulted == std::vector<std::string>{"head_dim = 128"});
  CHECK(import(llama_3_8b).ignored.empty());
  CHECK(import(qwen3_8b).defaulted.empty());
  CHECK(import(deepseek_v3).defaulted.empty());
  CHECK(import(deepseek_v3).ignored.empty());
}

TEST_CASE("absent keys take the default of their class and are listed") {
  const ImportedModel m = import(R"({"model_type": "mistral"})");
  CHECK(m.shape == preset("mistral-7b", "mistral"));
  CHECK(m.defaulted == std::vector<std::string>{"vocab_size = 32000", "hidden_size = 4096", "intermediate_size = 14336",
                                                "num_hidden_layers = 32", "num_attention_heads = 32",
                                                "num_key_value_heads = 8", "head_dim = 128", "sliding_window = 4096",
                                                "tie_word_embeddings = false"});
}

TEST_CASE("each class has its own defaults") {
  CHECK(import(R"({"model_type": "gpt2"})").shape.tied_embeddings);
  CHECK(import(R"({"model_type": "gpt2"})").shape == preset("gpt2", "gpt2"));
  CHECK(import(R"({"model_type": "llama"})").shape.kv_heads == 32);
  CHECK(import(R"({"model_type": "mixtral"})").shape == preset("mixtral-8x7b", "mixtral"));
  CHECK(import(R"({"model_type": "gpt_neox"})").shape == preset("gpt-neox-20b", "gpt_neox"));
  CHECK(import(R"({"model_type": "deepseek_v3"})").shape == preset("deepseek-v3", "deepseek_v3"));
  CHECK(import(R"({"model_type": "qwen3"})").shape.head_dim == 128);
  CHECK(import(R"({"model_type": "qwen3_moe"})").shape.head_dim == 64);  // 2048 / 32
}

TEST_CASE("null means what the class makes of it") {
  const ModelShape m = import(R"({"model_type": "mistral", "num_key_value_heads": null, "head_dim": null,
                                  "sliding_window": null})")
                           .shape;
  CHECK(m.kv_heads == 32);
  CHECK(m.head_dim == 128);
  CHECK(m.sliding_window == 0);
  CHECK(import(R"({"model_type": "gpt2", "n_inner": null})").shape.ffn == 3072);
  CHECK(import(R"({"model_type": "deepseek_v3", "q_lora_rank": null})").shape.latent_attention->q_rank == 0);
  CHECK(import(R"({"model_type": "deepseek_v3", "n_shared_experts": null})").shape.moe->shared_experts == 0);
}

TEST_CASE("a multimodal file is read at its text_config") {
  const ImportedModel m = import(R"({
    "model_type": "llava", "tie_word_embeddings": true, "vision_config": {"hidden_size": 1024, "num_hidden_layers": 24},
    "text_config": {"model_type": "llama", "_name_or_path": "lmsys/vicuna-7b-v1.5", "vocab_size": 32064}})");
  CHECK(m.shape.name == "vicuna-7b-v1.5");
  CHECK(m.shape.vocabulary == 32064);
  CHECK(m.shape.hidden == 4096);
  CHECK(m.shape.tied_embeddings);
}

TEST_CASE("an error inside text_config points there, not at the vision tower's key of the same name") {
  CHECK(error_of("{\"vision_config\": {\"hidden_size\": 1024},\n \"text_config\": {\"model_type\": \"llama\",\n"
                 "   \"hidden_size\": 0}}") == "config.json:3:4: text_config.hidden_size is 0, outside 1 to 10000000");
}

TEST_CASE("a model type nobody wrote a reader for is refused with the known ones") {
  CHECK_THAT(error_of(R"({"model_type": "bert"})"),
             StartsWith("config.json:1:2: the model_type 'bert' is not known (known: llama, mistral, qwen2, "));
  CHECK_THAT(error_of(R"({"hidden_size": 64})"), StartsWith("config.json: missing key 'model_type'"));
}

TEST_CASE("wrong types and ranges are refused at their key") {
  CHECK(error_with("\"hidden_size\": \"4096\"") == "config.json:3:3: hidden_size must be a whole number, not \"4096\"");
  CHECK_THAT(error_with("\"hidden_size\": 4096.0"), Contains("must be a whole number"));
  CHECK_THAT(error_with("\"hidden_size\": [4096]"), Contains("must be a whole number, not array"));
  CHECK_THAT(error_with("\"hidden_size\": 0"), Contains("outside 1 to"));
  CHECK_THAT(error_with("\"hidden_size\": -4096"), Contains("outside 1 to"));
  CHECK_THAT(error_with("\"hidden_size\": 18446744073709551615"), Contains("outside 1 to"));
  CHECK_THAT(error_with("\"hidden_size\": 1e999"), Contains("not valid JSON"));
  CHECK_THAT(error_with("\"tie_word_embeddings\": 1"), Contains("must be true or false"));
  CHECK_THAT(error_with("\"attention_dropout\": \"0\""), Contains("must be a number"));
}

TEST_CASE("text that is not JSON is refused at the character") {
  CHECK_THAT(error_with("\"hidden_size\": 4096,"), StartsWith("config.json:4:1: not valid JSON: syntax error"));
  CHECK_THAT(error_with("\"hidden_size\": NaN"), StartsWith("config.json:3:18: not valid JSON"));
  CHECK_THAT(error_with("// comment"), StartsWith("config.json:3:3: not valid JSON"));
  CHECK_THAT(error_of(""), Contains("not valid JSON"));
  CHECK_THAT(error_of("[]"), Contains("must be an object, not array"));
  CHECK_THAT(error_of(std::string(100000, '[')), Contains("nested more than 64 deep"));
}

TEST_CASE("a repeated key is refused at its second place") {
  CHECK(error_with("\"vocab_size\": 10,\n  \"vocab_size\": 20") == "config.json:4:3: duplicate key 'vocab_size'");
  CHECK(error_with("\"rope_scaling\": {\"type\": 1, \"type\": 2}") == "config.json:3:31: duplicate key 'type'");
}

TEST_CASE("relations between values are checked as for every model") {
  CHECK_THAT(error_with("\"num_key_value_heads\": 5"),
             StartsWith("config.json:3:3: 32 query heads are not divisible by 5 key-value heads"));
  CHECK_THAT(error_with("\"num_attention_heads\": 33"), Contains("hidden_size 4096 is not divisible by 33 heads"));
  CHECK_THAT(error_of(R"({"model_type": "mixtral", "num_experts_per_tok": 9})"), Contains("routed to 9 experts"));
}

TEST_CASE("DeepSeek-V2's class has no default for the experts per token") {
  CHECK_THAT(error_of(R"({"model_type": "deepseek_v2"})"), Contains("missing key 'num_experts_per_tok'"));
}

TEST_CASE("biases on half of the layers are not expressible") {
  CHECK_THAT(error_with("\"attention_bias\": true"), Contains("not expressible"));
  CHECK_THAT(error_with("\"mlp_bias\": true"), Contains("not expressible"));
  CHECK(import(R"({"model_type": "llama", "attention_bias": true, "mlp_bias": true})").shape.linear_bias);
}

TEST_CASE("sparse steps and dense-only layers become a regular pattern") {
  const auto experts = [](const std::string& settings) {
    return *import(R"({"model_type": "qwen3_moe", "num_hidden_layers": 6, )" + settings + "}").shape.moe;
  };
  CHECK(experts(R"("decoder_sparse_step": 2)").layer_period == 2);
  CHECK(experts(R"("mlp_only_layers": [0, 1])").first_dense_layers == 2);
  CHECK(experts(R"("decoder_sparse_step": 2, "mlp_only_layers": [1])").first_dense_layers == 2);
}

TEST_CASE("other patterns of sparse layers are refused at the key that makes them") {
  CHECK_THAT(error_of("{\"model_type\": \"qwen3_moe\",\n\"mlp_only_layers\": [3]}"),
             StartsWith("config.json:2:1: this pattern of mixture-of-experts layers is not expressible"));
}

TEST_CASE("a model whose layers are all dense has no experts") {
  const ModelShape m =
      import(R"({"model_type": "qwen3_moe", "num_hidden_layers": 2, "mlp_only_layers": [0, 1]})").shape;
  CHECK_FALSE(m.moe);
}

TEST_CASE("Qwen's window holds only when switched on and for all layers") {
  const std::string window = R"({"model_type": "qwen2", "num_hidden_layers": 40, "sliding_window": 4096, )";
  CHECK(import(window + R"("use_sliding_window": false})").shape.sliding_window == 0);
  CHECK(import(window + R"("use_sliding_window": true, "max_window_layers": 0})").shape.sliding_window == 4096);
  CHECK(import(window + R"("use_sliding_window": true, "max_window_layers": 40})").shape.sliding_window == 0);
  CHECK_THAT(error_of(window + R"("use_sliding_window": true, "max_window_layers": 28})"),
             Contains("12 of 40 layers have a sliding window"));
}

TEST_CASE("DeepSeek routes inside groups of experts where its config says so") {
  const auto groups = [](const std::string& json) {
    const MixtureOfExperts moe = *import(json).shape.moe;
    return std::pair(moe.routing_groups, moe.routing_top_groups);
  };
  CHECK(groups(deepseek_v3) == std::pair<std::int64_t, std::int64_t>(8, 4));
  CHECK(groups(R"({"model_type": "deepseek_v3"})") == std::pair<std::int64_t, std::int64_t>(8, 4));
  // Kimi K2: one group limits nothing
  CHECK(groups(R"({"model_type": "deepseek_v3", "n_group": 1, "topk_group": 1})") ==
        std::pair<std::int64_t, std::int64_t>(0, 0));
  const std::string v2 = R"({"model_type": "deepseek_v2", "num_experts_per_tok": 6, "n_group": 8, "topk_group": 3, )";
  CHECK(groups(v2 + R"("topk_method": "group_limited_greedy"})") == std::pair<std::int64_t, std::int64_t>(8, 3));
  CHECK(groups(v2 + R"("topk_method": "greedy"})") == std::pair<std::int64_t, std::int64_t>(0, 0));
  CHECK(error_of("{\"model_type\": \"deepseek_v3\",\n\"n_group\": 7}") ==
        "config.json:2:1: 256 experts are not divisible by 7 routing groups");
}

TEST_CASE("a binary file is refused at its first odd byte") {
  CHECK(error_of(std::string("{\0}", 3)) == "config.json: not text: byte 0x00 at offset 1");
}

TEST_CASE("keys without a known meaning are reported") {
  CHECK(import(R"({"model_type": "llama", "zigzag": 1, "rope_theta": 1.0})").ignored ==
        std::vector<std::string>{"zigzag"});
}

TEST_CASE("a file that is not there is an input error") {
  CHECK_THROWS_AS(load_hugging_face_config("/nonexistent/config.json"), InputError);
  CHECK_THROWS_AS(load_hugging_face_config("/"), InputError);
}

}  // namespace
}  // namespace trainyard
