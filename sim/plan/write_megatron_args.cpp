// to_megatron_args of megatron_args.hpp: the writer beside the reader.
#include <fmt/format.h>

#include "sim/plan/layer_split.hpp"
#include "sim/plan/megatron_args.hpp"
#include "sim/plan/megatron_patterns.hpp"

namespace trainyard {
namespace {

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string size_args(const Plan& plan) {
  std::vector<std::string> args{fmt::format("--tensor-model-parallel-size {}", plan.tensor_parallel),
                                fmt::format("--pipeline-model-parallel-size {}", plan.pipeline_parallel)};
  if (plan.context_parallel != 1) args.push_back(fmt::format("--context-parallel-size {}", plan.context_parallel));
  if (plan.expert_parallel != 1) args.push_back(fmt::format("--expert-model-parallel-size {}", plan.expert_parallel));
  if (plan.expert_tensor_parallel != 0)
    args.push_back(fmt::format("--expert-tensor-parallel-size {}", plan.expert_tensor_parallel));
  if (plan.sequence_parallel) args.push_back("--sequence-parallel");
  if (plan.rank_order == "tp-cp-ep-pp-dp") args.push_back("--use-tp-pp-dp-mapping");
  return joined(args, " ");
}

// How the layers are cut; empty where Megatron-LM's even split without virtual stages is meant. A list that is what the
// split gives by itself (as resolved() fills in) is no list.
std::string pipeline_args(const Plan& plan, const ModelShape& model) {
  const std::int64_t chunks = static_cast<std::int64_t>(plan.pipeline_parallel) * plan.virtual_stages;
  if (chunks <= 0) return {};
  if (!plan.layers_per_chunk.empty() && split_layers(model.layers, chunks) != plan.layers_per_chunk)
    return fmt::format("--pipeline-model-parallel-layout \"{}\"", layout_of_layers(plan.layers_per_chunk));
  std::vector<std::string> args;
  if (plan.virtual_stages > 1)
    args.push_back(fmt::format("--num-virtual-stages-per-pipeline-rank {}", plan.virtual_stages));
  if (model.layers % chunks != 0 && splits_by_itself(model.layers, chunks)) {
    args.emplace_back("--account-for-embedding-in-pipeline-split");
    args.emplace_back("--account-for-loss-in-pipeline-split");
  }
  return joined(args, " ");
}

std::string batch_args(const Plan& plan, const Workload& workload) {
  std::string args = fmt::format("--micro-batch-size {} --global-batch-size {} --seq-length {}", plan.micro_batch_size,
                                 plan.global_batch_size, workload.sequence_length);
  switch (workload.precision) {
    case DataType::bf16:
      return args + " --bf16";
    case DataType::fp16:
      return args + " --fp16";
    case DataType::fp8:
      return args + " --bf16 --fp8-format hybrid";
    case DataType::fp32:
    case DataType::tf32:
      return args;
  }
  return args;
}

std::string data_parallel_args(const Plan& plan) {
  std::vector<std::string> args;
  switch (plan.data_parallel_kind) {
    case DataParallelKind::ddp:
      break;
    case DataParallelKind::zero1:
      args.emplace_back("--use-distributed-optimizer");
      break;
    case DataParallelKind::zero2:
      args.emplace_back("--use-megatron-fsdp --data-parallel-sharding-strategy optim_grads");
      break;
    case DataParallelKind::zero3:
      args.emplace_back("--use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params");
      break;
    case DataParallelKind::fsdp:
      args.emplace_back("--use-torch-fsdp2");
      break;
    case DataParallelKind::hsdp:
      break;
  }
  if (plan.overlap_grad_reduce.value_or(false)) args.emplace_back("--overlap-grad-reduce");
  if (plan.overlap_param_gather.value_or(false)) args.emplace_back("--overlap-param-gather");
  if (plan.grad_reduce_type == DataType::fp32) args.emplace_back("--accumulate-allreduce-grads-in-fp32");
  if (plan.grad_reduce_type == DataType::bf16) args.emplace_back("--grad-reduce-in-bf16");
  if (plan.virtual_stages > 1 && plan.overlap_p2p == false) args.emplace_back("--no-overlap-p2p-communication");
  if (plan.tp_comm_overlap.value_or(false)) args.emplace_back("--tp-comm-overlap");
  return joined(args, " ");
}

std::string recompute_args(Recompute recompute) {
  switch (recompute) {
    case Recompute::none:
      return {};
    case Recompute::selective:
      return "--recompute-granularity selective";
    case Recompute::full:
      return "--recompute-granularity full --recompute-method uniform --recompute-num-layers 1";
  }
  return {};
}

std::vector<std::string> inexpressible(const Plan& plan, const Workload& workload) {
  std::vector<std::string> settings;
  const bool chosen_by_virtual_stages =
      plan.schedule == (plan.virtual_stages > 1 ? ScheduleKind::interleaved : ScheduleKind::one_f_one_b);
  if (!chosen_by_virtual_stages) settings.push_back("schedule " + name(plan.schedule));
  if (plan.data_parallel_kind == DataParallelKind::hsdp) settings.emplace_back("data_parallel hsdp");
  if (plan.rank_order != "tp-cp-ep-dp-pp" && plan.rank_order != "tp-cp-ep-pp-dp")
    settings.push_back("rank_order " + plan.rank_order);
  if (plan.placement != PlacementKind::packed) settings.push_back("placement " + name(plan.placement));
  if (plan.virtual_stages <= 1 && plan.overlap_p2p.value_or(false))
    settings.emplace_back("overlap_p2p_comm true without virtual stages");
  if (workload.precision == DataType::tf32) settings.emplace_back("precision tf32");
  return settings;
}

}  // namespace

std::string to_megatron_args(const Plan& plan, const Workload& workload, const ModelShape& model) {
  std::vector<std::string> lines;
  for (std::string line : {size_args(plan), pipeline_args(plan, model), batch_args(plan, workload),
                           data_parallel_args(plan), recompute_args(plan.recompute)})
    if (!line.empty()) lines.push_back(std::move(line));
  std::string text = joined(lines, " \\\n") + "\n";
  for (const std::string& setting : inexpressible(plan, workload))
    text += fmt::format("# Megatron-LM has no argument for {}\n", setting);
  return text;
}

}  // namespace trainyard
