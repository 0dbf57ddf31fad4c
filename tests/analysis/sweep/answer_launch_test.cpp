// A plan in the words of the frameworks that can run it.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "analysis/sweep/deepspeed_config.hpp"
#include "analysis/sweep/launch_arguments.hpp"
#include "analysis/sweep/torchtitan_config.hpp"

namespace trainyard {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

ModelShape dense_model() {
  ModelShape model;
  model.name = "dense";
  model.layers = 32;
  return model;
}

Workload workload_of(DataType precision = DataType::bf16) {
  Workload workload;
  workload.sequence_length = 8192;
  workload.precision = precision;
  return workload;
}

// 64 GPUs: tp 2, dp 32.
Plan plan_of(DataParallelKind kind) {
  Plan plan;
  plan.tensor_parallel = 2;
  plan.sequence_parallel = true;
  plan.data_parallel = 32;
  plan.data_parallel_kind = kind;
  plan.micro_batch_size = 1;
  plan.global_batch_size = 128;
  plan.layers_per_chunk = {32};
  return plan;
}

// The same with pp 4: dp 8, a chunk of eight layers per stage.
Plan pipelined(DataParallelKind kind, const std::string& schedule) {
  Plan plan = plan_of(kind);
  plan.pipeline_parallel = 4;
  plan.data_parallel = 8;
  plan.schedule = schedule;
  plan.layers_per_chunk = {8, 8, 8, 8};
  return plan;
}

std::string torchtitan(const Plan& plan, const Workload& workload = workload_of()) {
  return to_torchtitan_config(plan, workload, dense_model()).value_or("");
}

// The JSON of the here-document.
Json deepspeed_json(const Plan& plan, const Workload& workload = workload_of()) {
  const std::string text = to_deepspeed_config(plan, workload, dense_model()).value();
  const std::size_t first = text.find('{'), end = text.find("\nEND\n");
  return Json::parse(text.substr(first, end - first));
}

std::vector<std::string> frameworks(const Plan& plan) {
  std::vector<std::string> names;
  for (const LaunchArguments& l : launch_arguments(plan, workload_of(), dense_model())) names.push_back(l.framework);
  return names;
}

TEST_CASE("every plan has Megatron-LM's arguments, the others only where they run it") {
  using Names = std::vector<std::string>;
  CHECK(frameworks(plan_of(DataParallelKind::ddp)) == Names{"Megatron-LM"});
  CHECK(frameworks(plan_of(DataParallelKind::zero1)) == Names{"Megatron-LM", "DeepSpeed"});
  CHECK(frameworks(plan_of(DataParallelKind::zero3)) == Names{"Megatron-LM", "torchtitan", "DeepSpeed"});
  CHECK(frameworks(plan_of(DataParallelKind::fsdp)) == Names{"Megatron-LM", "torchtitan"});
  CHECK(frameworks(pipelined(DataParallelKind::zero2, "1f1b")) == Names{"Megatron-LM"});
  CHECK(frameworks(pipelined(DataParallelKind::fsdp, "zb-h1")) == Names{"Megatron-LM"});
}

TEST_CASE("an FSDP plan as torchtitan's tables") {
  CHECK(torchtitan(plan_of(DataParallelKind::fsdp)) ==
        "[parallelism]\n"
        "data_parallel_replicate_degree = 1\n"
        "data_parallel_shard_degree = 32\n"
        "fsdp_reshard_after_forward = \"always\"\n"
        "tensor_parallel_degree = 2\n"
        "pipeline_parallel_degree = 1\n"
        "context_parallel_degree = 1\n"
        "\n"
        "[training]\n"
        "local_batch_size = 1\n"
        "global_batch_size = 128\n"
        "seq_len = 8192\n"
        "mixed_precision_param = \"bfloat16\"\n"
        "\n"
        "[activation_checkpoint]\n"
        "mode = \"none\"\n");
}

TEST_CASE("torchtitan counts shards without context parallelism") {
  Plan plan = plan_of(DataParallelKind::hsdp);
  plan.context_parallel = 2;
  plan.data_parallel = 16;
  plan.sharding.group = 8;  // of dp x cp = 32 ranks: 8 / cp 2 = 4 shards of dp, 16 / 4 copies
  const std::string text = torchtitan(plan);
  CHECK_THAT(text, Contains("data_parallel_shard_degree = 4\n"));
  CHECK_THAT(text, Contains("data_parallel_replicate_degree = 4\n"));
  CHECK_THAT(text, Contains("context_parallel_degree = 2\ncontext_parallel_rotate_method = \"alltoall\"\n"));
}

TEST_CASE("torchtitan's local batch with a pipeline is all micro-batches of a replica") {
  const std::string text = torchtitan(pipelined(DataParallelKind::fsdp, "1f1b"));
  CHECK_THAT(text, Contains("pipeline_parallel_schedule = \"1F1B\"\n"));
  CHECK_THAT(text, Contains("pipeline_parallel_microbatch_size = 1\n"));
  CHECK_THAT(text, Contains("local_batch_size = 16\n"));  // 128 / dp 8
  CHECK_THAT(text, Contains("pipeline_parallel_layers_per_stage = 8\n"
                            "pipeline_parallel_first_stage_less_layers = 0\n"
                            "pipeline_parallel_last_stage_less_layers = 0\n"));
}

TEST_CASE("torchtitan splits layers with one fewer at both ends, and names modules for any other split") {
  ModelShape model = dense_model();
  model.layers = 30;  // 32 - 2
  Plan plan = pipelined(DataParallelKind::fsdp, "1f1b");
  plan.layers_per_chunk = {7, 8, 8, 7};
  CHECK_THAT(*to_torchtitan_config(plan, workload_of(), model),
             Contains("layers_per_stage = 8\n") && Contains("last_stage_less_layers = 1\n"));
  plan.layers_per_chunk = {9, 7, 7, 7};
  CHECK_THAT(*to_torchtitan_config(plan, workload_of(), model),
             Contains("# torchtitan has no option for layers_per_chunk [9, 7, 7, 7]") && !Contains("layers_per_stage"));
}

TEST_CASE("interleaved and V schedules have PyTorch's names") {
  Plan plan = pipelined(DataParallelKind::fsdp, "interleaved");
  plan.virtual_stages = 2;
  plan.layers_per_chunk = std::vector<int>(8, 4);
  CHECK_THAT(torchtitan(plan), Contains("\"Interleaved1F1B\"") && Contains("layers_per_stage = 4\n"));
  plan.schedule = "zb-v";
  CHECK_THAT(torchtitan(plan), Contains("\"ZBVZeroBubble\""));
}

TEST_CASE("what torchtitan cannot say is a comment") {
  Plan plan = plan_of(DataParallelKind::fsdp);
  plan.sequence_parallel = false;
  plan.rank_order = "dp-tp-cp-ep-pp";
  plan.recompute = Recompute::selective;
  plan.sharding.reshard_after_forward = false;
  const std::string text = torchtitan(plan, workload_of(DataType::fp8));
  CHECK_THAT(text, Contains("fsdp_reshard_after_forward = \"never\""));
  CHECK_THAT(text, Contains("mode = \"selective\"\nselective_ac_option = \"op\""));
  for (const char* comment : {"# torchtitan has no option for sequence_parallel false", "rank_order dp-tp-cp-ep-pp",
                              "precision fp8", "recompute_modules"})
    CHECK_THAT(text, Contains(comment));
  CHECK_THAT(text, !Contains("mixed_precision_param"));
}

TEST_CASE("torchtitan keeps whole copies only without other axes") {
  Plan plan = plan_of(DataParallelKind::ddp);
  CHECK(torchtitan(plan).empty());
  plan.tensor_parallel = 1;
  CHECK_THAT(torchtitan(plan), Contains("data_parallel_replicate_degree = 32\ndata_parallel_shard_degree = 1\n"));
}

TEST_CASE("a ZeRO plan as DeepSpeed's configuration") {
  Plan plan = plan_of(DataParallelKind::zero3);
  plan.sharding.secondary_group = 8;
  plan.sharding.quantized_weights = true;
  plan.overlap_grad_reduce = true;
  const Json json = deepspeed_json(plan);
  CHECK(json["train_batch_size"] == 128);
  CHECK(json["train_micro_batch_size_per_gpu"] == 1);
  CHECK(json["gradient_accumulation_steps"] == 4);  // 128 / (1 × dp 32)
  CHECK(json["bf16"]["enabled"] == true);
  CHECK_FALSE(json.contains("fp16"));
  const Json& zero = json["zero_optimization"];
  CHECK(zero ==
        Json({{"stage", 3}, {"overlap_comm", true}, {"zero_hpz_partition_size", 8}, {"zero_quantized_weights", true}}));
}

TEST_CASE("DeepSpeed's offload, with a fraction where stage 3 has it") {
  Plan plan = plan_of(DataParallelKind::zero2);
  plan.optimizer_offload = OffloadTarget::cpu;
  plan.optimizer_offload_fraction = 0.5;
  CHECK(deepspeed_json(plan)["zero_optimization"]["offload_optimizer"] ==
        Json({{"device", "cpu"}, {"pin_memory", true}}));
  CHECK_THAT(*to_deepspeed_config(plan, workload_of(), dense_model()),
             Contains("no option for optimizer_offload_fraction"));
  plan.data_parallel_kind = DataParallelKind::zero3;
  CHECK(deepspeed_json(plan)["zero_optimization"]["offload_optimizer"]["ratio"] == 0.5);
}

TEST_CASE("the axes that are not DeepSpeed's stand in Megatron-DeepSpeed's arguments") {
  const std::string text =
      *to_deepspeed_config(pipelined(DataParallelKind::zero1, "1f1b"), workload_of(DataType::fp16), dense_model());
  CHECK_THAT(text, Contains("--zero-stage 1 \\\n--tensor-model-parallel-size 2 --pipeline-model-parallel-size 4"));
  CHECK_THAT(text, Contains("--fp16") && !Contains("--no-pipeline-parallel"));
  CHECK(deepspeed_json(pipelined(DataParallelKind::zero1, "1f1b"))["gradient_accumulation_steps"] == 16);  // 128 / 8
  CHECK_THAT(*to_deepspeed_config(plan_of(DataParallelKind::zero1), workload_of(), dense_model()),
             Contains("--no-pipeline-parallel") && Contains("--sequence-parallel"));
}

TEST_CASE("DeepSpeed has neither an interleaved pipeline nor one with sharded gradients") {
  CHECK_FALSE(to_deepspeed_config(pipelined(DataParallelKind::zero1, "interleaved"), workload_of(), dense_model()));
  CHECK_FALSE(to_deepspeed_config(pipelined(DataParallelKind::zero3, "1f1b"), workload_of(), dense_model()));
  CHECK_FALSE(to_deepspeed_config(plan_of(DataParallelKind::hsdp), workload_of(), dense_model()));
}

}  // namespace
}  // namespace trainyard
