// The plan keys beyond the sizes: pipeline layouts, sharding, experts, recomputation, offloading, low precision.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <set>

#include "sim/plan/expert_loads.hpp"
#include "sim/plan/plan_yaml.hpp"
#include "sim/plan/schedule.hpp"
#include "tests/sim/plan/small_cluster.hpp"

using namespace trainyard;
using namespace trainyard::test;
using Catch::Contains;

namespace {

Plan plan(const std::string& text) { return read_plan(read_yaml_text(text, "plan.yaml")); }
Workload workload(const std::string& text) {
  return read_workload(read_yaml_text("sequence_length: 8\n" + text, "workload.yaml"));
}

template <class Read>
std::string error_of(Read read) {
  try {
    read();
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}
std::string plan_error(const std::string& text) {
  return error_of([&] { plan(text); });
}

// Every plan setting away from its default, with YAML that says it.
const std::vector<std::string> settings = {
    "{pp: 2, vpp: 2, microbatch_group_size_per_vp_stage: 4}",
    "{pp: 4, schedule: zb-v}",
    "{pp: 2, schedule: zb-h2, optimizer_post_validation: false}",
    "{pp: 2, pipeline_model_parallel_layout: Ettt|t|tt|ttL}",
    "{pp: 2, pipeline_model_parallel_layout: Etttm|tL}",
    "{pp: 2, mtp_chunk: 0}",
    "{pp: 4, decoder_first_pipeline_num_layers: 7}",
    "{pp: 4, decoder_last_pipeline_num_layers: 5}",
    "{pp: 4, account_for_embedding_in_pipeline_split: true}",
    "{pp: 4, account_for_loss_in_pipeline_split: true}",
    "{cp: 4, cp_comm_type: all_gather}",
    "{cp: 4, cp_comm_type: a2a}",
    "{cp: 4, cp_comm_type: a2a+p2p}",
    "{cp: 8, cp_comm_type: a2a+p2p, hierarchical_context_parallel_sizes: [4, 2]}",
    "{ep: 8, moe_token_dispatcher_type: allgather}",
    "{ep: 8, moe_token_dispatcher_type: alltoall}",
    "{ep: 8, moe_token_dispatcher_type: flex}",
    "{ep: 8, moe_expert_capacity_factor: 1.25}",
    "{ep: 8, moe_load_imbalance: 1.3}",
    "{ep: 2, moe_expert_loads: [1, 0.5, 2e9, 0]}",
    "{ep: 8, moe_load_skew: 0.25}",
    "{ep: 8, moe_load_seed: 7}",
    "{ep: 8, moe_shared_expert_overlap: true}",
    "{ep: 8, overlap_moe_expert_parallel_comm: true}",
    "{recompute_granularity: selective, recompute_modules: [mla_up_proj, mlp, moe]}",
    "{recompute_granularity: full, recompute_method: block, recompute_num_layers: 3}",
    "{recompute_granularity: full, recompute_method: uniform, recompute_num_layers: 2}",
    "{data_parallel: zero1, num_distributed_optimizer_instances: 4}",
    "{data_parallel: hsdp, data_parallel_shard_degree: 8}",
    "{data_parallel: hsdp, data_parallel_shard_degree: 8, data_parallel_replicate_degree: 2}",
    "{data_parallel: fsdp, reshard_after_forward: false}",
    "{data_parallel: fsdp, reshard_after_forward: true}",
    "{data_parallel: fsdp, reshard_after_forward: 8}",
    "{data_parallel: fsdp, fsdp_prefetch_units: 0}",
    "{data_parallel: fsdp, gradient_sync_every_micro_batch: false}",
    "{data_parallel: zero3, zero_hpz_partition_size: 8}",
    "{data_parallel: zero3, zero_quantized_weights: true}",
    "{data_parallel: zero3, zero_quantized_gradients: true}",
    "{data_parallel: zero2, reduce_bucket_size: 500000000}",
    "{optimizer_cpu_offload: true}",
    "{offload_optimizer: nvme}",
    "{offload_optimizer: cpu, optimizer_offload_fraction: 0.5}",
    "{cpu_offloading_num_layers: 4}",
    "{cuda_graphs: true}",
    "{cuda_graphs: false}",
    "{fp8_param_gather: true}"};

}  // namespace

TEST_CASE("every plan setting is written and reads back the same") {
  for (const std::string& text : settings) {
    INFO(text);
    const Plan original = plan(text);
    const std::string written = to_yaml(original, {.sequence_length = 4096});
    INFO(written);
    YamlMapping scenario(read_yaml_text(written, "written.yaml"));
    CHECK(read_plan_and_workload(scenario.optional("plan"), scenario.required("workload")).plan == original);
  }
}

TEST_CASE("plans that differ in one setting never share a canonical key") {
  std::set<std::string> keys;
  for (const std::string& text : settings) {
    INFO(text);
    CHECK(keys.insert(canonical_key(plan(text))).second);
  }
}

TEST_CASE("every workload setting is written and reads back the same") {
  for (const char* text :
       {"precision: nvfp4", "{precision: fp8, fp8_recipe: tensorwise}", "{precision: fp8, fp8_recipe: mxfp8}",
        "{precision: fp8, fp8_recipe: blockwise, fp8_attention: true}", "{precision: fp8, fp8_recipe: current}",
        "document_length: 4"}) {
    const std::string body = text[0] == '{' ? std::string(text).substr(1, std::string(text).size() - 2) : text;
    const YamlValue read = read_yaml_text("{sequence_length: 8, " + body + "}", "workload.yaml");
    const Workload original = read_workload(read);
    YamlMapping scenario(read_yaml_text(to_yaml({}, original), "written.yaml"));
    CHECK(read_plan_and_workload(scenario.optional("plan"), scenario.required("workload")).workload == original);
  }
  CHECK(workload("fp8_dot_product_attention: true").fp8_attention);
  CHECK(workload("fp8_recipe: tensorwise").fp8_recipe == workload("fp8_recipe: current").fp8_recipe);
}

TEST_CASE("a schedule that needs two virtual stages brings them") {
  CHECK(plan("{pp: 4, schedule: zb-v}").virtual_stages == 2);
  CHECK(plan("{pp: 4, schedule: zb-v, vpp: 3}").virtual_stages == 3);  // check_plan refuses it
  CHECK(plan("{pp: 4, schedule: dualpipe}").virtual_stages == 1);      // two copies of the model, not two chunks
}

TEST_CASE("a layout gives chunks, virtual stages, schedule and the place of the prediction modules") {
  // 8 chunks on 4 ranks; DeepSeek-V3's manner of giving the prediction module a chunk of its own
  const Plan read = plan("{pp: 4, pipeline_model_parallel_layout: 'Ett|(tt|)*5,m|L'}");
  CHECK(read.layers_per_chunk == std::vector<int>{2, 2, 2, 2, 2, 2, 0, 0});
  CHECK(read.virtual_stages == 2);
  CHECK(read.schedule == "interleaved");
  CHECK(read.prediction_chunk == 6);
  CHECK(plan("{pp: 2, pipeline_model_parallel_layout: Ett|ttmL}").prediction_chunk == -1);
}

TEST_CASE("a layout that fits nothing points at itself") {
  CHECK_THAT(plan_error("pp: 2\npipeline_model_parallel_layout: tt|tt"),
             Contains("plan.yaml:2:33: pipeline_model_parallel_layout 'tt|tt' is no pipeline layout"));
  CHECK_THAT(plan_error("pp: 2\npipeline_model_parallel_layout: Et|t|tL"),
             Contains("has 3 chunks, which is no multiple of pipeline_model_parallel_size 2"));
  CHECK_THAT(plan_error("{pp: 2, vpp: 2, pipeline_model_parallel_layout: Et|tL}"), Contains("the layout alone"));
  CHECK_THAT(plan_error("{pp: 2, pipeline_model_parallel_layout: Et|tL, layers_per_chunk: [1, 1]}"),
             Contains("say the same"));
  CHECK_THAT(plan_error("{pp: 2, pipeline_model_parallel_layout: Etm|tmL}"), Contains("in several chunks"));
  CHECK_THAT(plan_error("{pp: 2, layers_per_chunk: [1, 2], decoder_first_pipeline_num_layers: 1}"),
             Contains("beside a list of the layers of each chunk"));
  CHECK_THAT(plan_error("{pp: 2, decoder_first_pipeline_num_layers: 1, account_for_loss_in_pipeline_split: true}"),
             Contains("exclude each other"));
}

TEST_CASE("expert loads come from a file beside the scenario") {
  const std::string folder = "/tmp/trainyard_expert_loads_test";
  const std::string file = folder + ".csv";
  std::ofstream(file) << "3, 1\n2,\t2\n";
  const auto read = [&](const std::string& name) {
    return read_plan(read_yaml_text("moe_expert_loads: " + name, "/tmp/scenario.yaml")).routing.loads;
  };
  CHECK(read("trainyard_expert_loads_test.csv") == std::vector<double>{3, 1, 2, 2});
  std::ofstream(file) << "3, 1\n2, many\n";
  CHECK_THAT(error_of([&] { read("trainyard_expert_loads_test.csv"); }),
             Contains("trainyard_expert_loads_test.csv:2:4: 'many' is not a finite number"));
  std::remove(file.c_str());
  CHECK_THAT(error_of([&] { read("trainyard_expert_loads_test.csv"); }),
             Contains("/tmp/scenario.yaml:1:19: moe_expert_loads: there is no file"));
  REQUIRE(mkfifo(file.c_str(), 0600) == 0);  // nobody writes to it
  CHECK_THAT(error_of([&] { read("trainyard_expert_loads_test.csv"); }), Contains("is it a directory or a pipe?"));
  std::remove(file.c_str());
}

TEST_CASE("a text of loads is numbers between commas, blanks or line ends, or a JSON array") {
  CHECK(parse_expert_loads("1 2\n3", "f") == std::vector<double>{1, 2, 3});
  CHECK(parse_expert_loads(" [1, 2.5,\n 1e3]\n", "f") == std::vector<double>{1, 2.5, 1000});
  for (const char* text : {"", "[]", "1,,2", "1,", ",1", "[1", "[1] 2", "[[1]]", "1;2", "nan", "inf", "-1", "1e99", "x",
                           "\x01\x02", "[1,]"}) {
    INFO(text);
    CHECK_THAT(error_of([&] { parse_expert_loads(text, "f"); }), Contains("f"));
  }
}

TEST_CASE("only one setting says how full the experts are") {
  CHECK_THAT(plan_error("moe_load_imbalance: 1.2\nmoe_load_skew: 0.3"), Contains("plan.yaml:2:16: "));
  CHECK_THAT(plan_error("moe_load_imbalance: 1.2\nmoe_expert_loads: [1, 2]"), Contains("one of them is enough"));
}

TEST_CASE("mistyped, negative, zero, huge and repeated values are refused where they stand") {
  for (const char* key : {"microbatch_group_size_per_vp_stage", "moe_expert_capacity_factor", "moe_load_imbalance",
                          "recompute_num_layers", "num_distributed_optimizer_instances", "data_parallel_shard_degree",
                          "data_parallel_replicate_degree", "zero_hpz_partition_size", "reduce_bucket_size",
                          "optimizer_offload_fraction"})
    for (const char* value :
         {"0", "-1", "nan", ".nan", "inf", "-.inf", "1e999", "99999999999999999999", "many", "[1]", "{a: 1}", "''"}) {
      INFO(key << ": " << value);
      CHECK_THAT(plan_error("tp: 1\n" + std::string(key) + ": " + value), Contains("plan.yaml:2:"));
    }
  for (const char* key : {"moe_load_skew", "moe_load_seed", "fsdp_prefetch_units", "cpu_offloading_num_layers",
                          "mtp_chunk", "decoder_first_pipeline_num_layers", "reshard_after_forward"})
    for (const char* value : {"-1", "nan", "1e999", "99999999999999999999", "many", "[1]"}) {
      INFO(key << ": " << value);
      CHECK_THAT(plan_error("tp: 1\n" + std::string(key) + ": " + value), Contains("plan.yaml:2:"));
    }
  for (const char* key :
       {"cuda_graphs", "fp8_param_gather", "optimizer_cpu_offload", "gradient_sync_every_micro_batch",
        "zero_quantized_weights", "zero_quantized_gradients", "moe_shared_expert_overlap",
        "overlap_moe_expert_parallel_comm", "optimizer_post_validation", "account_for_loss_in_pipeline_split"})
    for (const char* value : {"1", "yes", "[true]", "''"}) {
      INFO(key << ": " << value);
      CHECK_THAT(plan_error("tp: 1\n" + std::string(key) + ": " + value), Contains("plan.yaml:2:"));
    }
  for (const char* key : {"cp_comm_type", "moe_token_dispatcher_type", "offload_optimizer", "recompute_method",
                          "schedule", "recompute_modules"})
    CHECK_THAT(plan_error("tp: 1\n" + std::string(key) + ": rign"), Contains("plan.yaml:2:"));
  CHECK_THAT(plan_error("moe_load_skew: 1\nmoe_load_skew: 2"), Contains("plan.yaml:2:1: duplicate key"));
}

TEST_CASE("lists are checked entry by entry") {
  CHECK_THAT(plan_error("recompute_modules: [mlp, mlp]"), Contains("names mlp twice"));
  CHECK_THAT(plan_error("recompute_modules: []"), Contains("is empty"));
  CHECK_THAT(plan_error("recompute_modules: [core_atn]"), Contains("did you mean 'core_attn'?"));
  CHECK_THAT(plan_error("moe_expert_loads: [1, -2]"), Contains("plan.yaml:1:23: moe_expert_loads[1] is -2"));
  CHECK_THAT(plan_error("moe_expert_loads: [0, 0]"), Contains("has no load above 0"));
  CHECK_THAT(plan_error("moe_expert_loads: []"), Contains("has no load above 0"));
  CHECK_THAT(plan_error("{cp: 4, cp_comm_type: a2a+p2p, hierarchical_context_parallel_sizes: [2, 4]}"),
             Contains("multiply to 8, but context_parallel_size is 4"));
  CHECK_THAT(plan_error("{cp: 4, hierarchical_context_parallel_sizes: [2, 2]}"), Contains("needs cp_comm_type"));
  CHECK_THAT(plan_error("{cp: 4, cp_comm_type: a2a+p2p, hierarchical_context_parallel_sizes: [4]}"),
             Contains("has 1 entries"));
}

TEST_CASE("two settings that contradict each other are refused") {
  CHECK_THAT(plan_error("{offload_optimizer: nvme, optimizer_cpu_offload: true}"), Contains("contradicts"));
  CHECK_THAT(plan_error("{num_distributed_optimizer_instances: 2, data_parallel_replicate_degree: 2}"),
             Contains("the same setting, given twice"));
  CHECK(plan("{offload_optimizer: cpu, optimizer_cpu_offload: true}").optimizer_offload == OffloadTarget::cpu);
}

TEST_CASE("DeepSpeed's hpZ partition of one rank is none") {
  CHECK(plan("zero_hpz_partition_size: 1").sharding == Sharding{});
}

TEST_CASE("every word of the choices reads back as itself or its first spelling") {
  const auto first_words_read_back = [](const std::vector<std::string>& words, auto from) {
    std::set<std::string> printed;
    for (const std::string& word : words) printed.insert(name(*from(word)));
    for (const std::string& word : printed) CHECK(name(*from(word)) == word);
    return printed.size();
  };
  CHECK(first_words_read_back(recompute_method_names(), recompute_method_from) == 2);
  CHECK(first_words_read_back(context_parallel_names(), context_parallel_from) == 4);
  CHECK(first_words_read_back(dispatcher_names(), dispatcher_from) == 3);
  CHECK(first_words_read_back(fp8_recipe_names(), fp8_recipe_from) == 4);
  CHECK(first_words_read_back(offload_names(), offload_from) == 3);
  CHECK(first_words_read_back(recompute_module_names(), recompute_module_from) == 7);
}

TEST_CASE("how TP collectives are overlapped is one of Transformer Engine's methods or PyTorch's") {
  CHECK(plan("{tp_comm_overlap: true, tp_comm_overlap_method: ring_exchange}").tp_overlap_method ==
        TpOverlapMethod::ring_exchange);
  CHECK(plan("{async_tensor_parallel: true}").async_tensor_parallel == true);
  CHECK_THROWS_AS(plan("{tp_comm_overlap_method: bulk}"), InputError);
  CHECK_THROWS_AS(plan("{tp_comm_overlap: true, async_tensor_parallel: true}"), InputError);
}
