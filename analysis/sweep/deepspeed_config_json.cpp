#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "analysis/sweep/deepspeed_config.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::ordered_json;
using Lines = std::vector<std::string>;

std::optional<int> zero_stage(DataParallelKind kind) {
  switch (kind) {
    case DataParallelKind::zero1:
      return 1;
    case DataParallelKind::zero2:
      return 2;
    case DataParallelKind::zero3:
      return 3;
    case DataParallelKind::ddp:
    case DataParallelKind::fsdp:
    case DataParallelKind::hsdp:
      return std::nullopt;
  }
  return std::nullopt;
}

bool runs(const Plan& plan, int stage) {
  const bool its_pipeline = stage == 1 && plan.schedule == "1f1b" && plan.virtual_stages == 1;
  return plan.pipeline_parallel == 1 || its_pipeline;
}

Json zero_section(const Plan& plan, int stage) {
  const Sharding& sharding = plan.sharding;
  Json zero = {{"stage", stage}};
  if (plan.overlap_grad_reduce) zero["overlap_comm"] = *plan.overlap_grad_reduce;
  if (sharding.reduce_bucket > 0) zero["reduce_bucket_size"] = sharding.reduce_bucket;
  if (sharding.secondary_group > 0) zero["zero_hpz_partition_size"] = sharding.secondary_group;
  if (sharding.quantized_weights) zero["zero_quantized_weights"] = true;
  if (sharding.quantized_gradients) zero["zero_quantized_gradients"] = true;
  if (plan.optimizer_offload != OffloadTarget::none) {
    zero["offload_optimizer"] = {{"device", name(plan.optimizer_offload)}, {"pin_memory", true}};
    if (stage == 3 && plan.optimizer_offload_fraction != 1)
      zero["offload_optimizer"]["ratio"] = plan.optimizer_offload_fraction;
  }
  return zero;
}

Json config(const Plan& plan, const Workload& workload, int stage) {
  const int replica_batch = plan.micro_batch_size * plan.data_parallel;
  Json json = {{"train_batch_size", plan.global_batch_size},
               {"train_micro_batch_size_per_gpu", plan.micro_batch_size},
               {"gradient_accumulation_steps", replica_batch > 0 ? plan.global_batch_size / replica_batch : 1},
               {"zero_optimization", zero_section(plan, stage)}};
  if (workload.precision == DataType::bf16) json["bf16"] = {{"enabled", true}};
  if (workload.precision == DataType::fp16) json["fp16"] = {{"enabled", true}};
  return json;
}

std::string recompute_argument(const Plan& plan) {
  if (plan.recompute == Recompute::full) return " --checkpoint-activations --deepspeed-activation-checkpointing";
  return "";
}

// Options of Megatron-DeepSpeed (megatron/arguments.py).
std::string arguments(const Plan& plan, const Workload& workload, const ModelShape& model, int stage) {
  std::string text = fmt::format("--deepspeed --deepspeed_config ds_config.json --zero-stage {}", stage);
  if (plan.pipeline_parallel == 1) text += " --no-pipeline-parallel";
  text += fmt::format(" \\\n--tensor-model-parallel-size {} --pipeline-model-parallel-size {}", plan.tensor_parallel,
                      plan.pipeline_parallel);
  if (plan.context_parallel > 1)
    text += fmt::format(" --ds-sequence-parallel-size {}", plan.context_parallel);
  else if (plan.sequence_parallel)
    text += " --sequence-parallel";
  if (model.moe && plan.expert_parallel > 1)
    text += fmt::format(" --moe-expert-parallel-size {}", plan.expert_parallel);
  text += fmt::format(" \\\n--micro-batch-size {} --global-batch-size {} --seq-length {}", plan.micro_batch_size,
                      plan.global_batch_size, workload.sequence_length);
  if (workload.precision == DataType::bf16) text += " --bf16";
  if (workload.precision == DataType::fp16) text += " --fp16";
  return text + recompute_argument(plan) + "\n";
}

void add_axes(const Plan& plan, Lines& missing) {
  if (plan.context_parallel > 1 && plan.context_parallel_kind != ContextParallelKind::ulysses)
    missing.push_back(
        fmt::format("cp_comm_type {}: its sequence parallelism is a2a", name(plan.context_parallel_kind)));
  if (plan.context_parallel > 1 && plan.sequence_parallel)
    missing.emplace_back("sequence_parallel beside context parallelism");
  if (plan.expert_parallel > 1 && plan.expert_tensor_parallel != plan.tensor_parallel)
    missing.push_back(fmt::format("expert_tensor_parallel_size {}", plan.expert_tensor_parallel));
  if (plan.rank_order != "tp-cp-ep-dp-pp") missing.push_back("rank_order " + plan.rank_order);
  if (plan.placement != PlacementKind::packed) missing.push_back("placement " + name(plan.placement));
}

Lines inexpressible(const Plan& plan, const Workload& workload, int stage) {
  Lines missing;
  add_axes(plan, missing);
  if (plan.sharding.group > 0) missing.push_back(fmt::format("data_parallel_shard_degree {}", plan.sharding.group));
  if (plan.recompute == Recompute::selective) missing.emplace_back("recompute_granularity selective");
  if (plan.recompute == Recompute::full && plan.recompute_layers > 1)
    missing.push_back(fmt::format("recompute_num_layers {}", plan.recompute_layers));
  if (workload.precision != DataType::bf16 && workload.precision != DataType::fp16)
    missing.push_back(fmt::format("precision {}", name(workload.precision)));
  if (plan.optimizer_offload == OffloadTarget::cpu && stage < 3 && plan.optimizer_offload_fraction != 1)
    missing.push_back(fmt::format("optimizer_offload_fraction {}", plan.optimizer_offload_fraction));
  if (plan.tp_comm_overlap.value_or(false)) missing.emplace_back("tp_comm_overlap");
  if (plan.activation_offload_layers > 0)
    missing.push_back(fmt::format("cpu_offloading_num_layers {}", plan.activation_offload_layers));
  return missing;
}

}  // namespace

std::optional<std::string> to_deepspeed_config(const Plan& plan, const Workload& workload, const ModelShape& model) {
  const std::optional<int> stage = zero_stage(plan.data_parallel_kind);
  if (!stage || !runs(plan, *stage)) return std::nullopt;
  std::string text = fmt::format("cat > ds_config.json <<'END'\n{}\nEND\n", config(plan, workload, *stage).dump(2));
  text += "# for Megatron-DeepSpeed:\n" + arguments(plan, workload, model, *stage);
  for (const std::string& setting : inexpressible(plan, workload, *stage))
    text += fmt::format("# DeepSpeed has no option for {}\n", setting);
  return text;
}

}  // namespace trainyard
