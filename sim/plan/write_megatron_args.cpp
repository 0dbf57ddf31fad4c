// to_megatron_args of megatron_args.hpp: the writer beside the reader.
#include <fmt/format.h>

#include "sim/plan/layer_split.hpp"
#include "sim/plan/megatron_args.hpp"
#include "sim/plan/megatron_inexpressible.hpp"
#include "sim/plan/megatron_patterns.hpp"

namespace trainyard {
namespace {

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string size_args(const Plan& plan, const ModelShape& model) {
  std::vector<std::string> args{fmt::format("--tensor-model-parallel-size {}", plan.tensor_parallel),
                                fmt::format("--pipeline-model-parallel-size {}", plan.pipeline_parallel)};
  if (plan.context_parallel != 1) args.push_back(fmt::format("--context-parallel-size {}", plan.context_parallel));
  if (plan.expert_parallel != 1) args.push_back(fmt::format("--expert-model-parallel-size {}", plan.expert_parallel));
  if (model.moe && plan.expert_tensor_parallel != 0)
    args.push_back(fmt::format("--expert-tensor-parallel-size {}", plan.expert_tensor_parallel));
  if (plan.sequence_parallel) args.push_back("--sequence-parallel");
  if (plan.rank_order == "tp-cp-ep-pp-dp") args.push_back("--use-tp-pp-dp-mapping");
  return joined(args, " ");
}

// Megatron's layout says layers and prediction modules of every chunk.
std::string layout_arg(const Plan& plan, const ModelShape& model, std::vector<int> layers) {
  PipelineLayout layout{std::move(layers), {}};
  layout.predictions.assign(layout.layers.size(), 0);
  const auto last = static_cast<int>(layout.layers.size()) - 1;
  const int chunk = plan.prediction_chunk >= 0 && plan.prediction_chunk <= last ? plan.prediction_chunk : last;
  layout.predictions[static_cast<std::size_t>(chunk)] = static_cast<int>(model.multi_token_prediction_layers);
  return fmt::format("--pipeline-model-parallel-layout \"{}\"", layout_text(layout));
}

std::vector<std::string> end_args(const PipelineEnds& ends) {
  std::vector<std::string> args;
  if (ends.first_layers) args.push_back(fmt::format("--decoder-first-pipeline-num-layers {}", *ends.first_layers));
  if (ends.last_layers) args.push_back(fmt::format("--decoder-last-pipeline-num-layers {}", *ends.last_layers));
  if (ends.embedding_counts) args.emplace_back("--account-for-embedding-in-pipeline-split");
  if (ends.loss_counts) args.emplace_back("--account-for-loss-in-pipeline-split");
  return args;
}

// How the layers are cut; empty where Megatron-LM's even split without virtual stages is meant. A list that is what the
// split gives by itself (as resolved() fills in) is no list.
std::string pipeline_args(const Plan& plan, const ModelShape& model) {
  const std::int64_t chunks = static_cast<std::int64_t>(plan.pipeline_parallel) * plan.virtual_stages;
  if (chunks <= 0) return {};
  const std::optional<std::vector<int>> even = split_layers(model.layers, chunks);
  if (!plan.layers_per_chunk.empty() && even != plan.layers_per_chunk)
    return layout_arg(plan, model, plan.layers_per_chunk);
  const auto split = split_layers(model.layers, plan.pipeline_parallel, plan.virtual_stages, plan.pipeline_ends);
  if (plan.prediction_chunk >= 0 && split) return layout_arg(plan, model, *split);
  std::vector<std::string> args;
  if (plan.virtual_stages > 1 && plan.schedule != "zb-v")
    args.push_back(fmt::format("--num-virtual-stages-per-pipeline-rank {}", plan.virtual_stages));
  PipelineEnds ends = plan.pipeline_ends;
  if (ends == PipelineEnds{} && model.layers % chunks != 0 && even) ends.embedding_counts = ends.loss_counts = true;
  for (std::string& arg : end_args(ends)) args.push_back(std::move(arg));
  return joined(args, " ");
}

// The zero-bubble flags are those of Megatron-LM's fork, with the pending backwards that its README gives each kind.
std::string schedule_args(const Plan& plan) {
  std::vector<std::string> args;
  if (plan.interleave_group > 0)
    args.push_back(fmt::format("--microbatch-group-size-per-virtual-pipeline-stage {}", plan.interleave_group));
  if (!is_zero_bubble(plan)) return joined(args, " ");
  args.emplace_back("--enable-zero-bubble");
  if (plan.schedule == "zb-v")
    args.emplace_back("--zero-bubble-v-schedule");
  else
    args.push_back(fmt::format("--zero-bubble-max-pending-backward {}",
                               std::int64_t{plan.schedule == "zb-h2" ? 2 : 1} * plan.pipeline_parallel));
  if (plan.optimizer_post_validation.value_or(true)) args.emplace_back("--enable-optimizer-post-validation");
  return joined(args, " ");
}

std::string context_args(const Plan& plan) {
  std::vector<std::string> args;
  if (plan.context_parallel_kind != ContextParallelKind::ring)
    args.push_back("--cp-comm-type " + name(plan.context_parallel_kind));
  if (plan.context_parallel_inner > 0)
    args.push_back(fmt::format("--hierarchical-context-parallel-sizes {} {}", plan.context_parallel_inner,
                               plan.context_parallel / plan.context_parallel_inner));
  return joined(args, " ");
}

// The simulation's default dispatcher is the all-to-all, Megatron-LM's is not: it must be said.
std::string expert_args(const Plan& plan, const ModelShape& model) {
  if (!model.moe) return {};
  std::vector<std::string> args;
  switch (plan.dispatcher.value_or(ExpertDispatcher::all_to_all)) {
    case ExpertDispatcher::all_to_all:
      args.emplace_back("--moe-token-dispatcher-type alltoall");
      break;
    case ExpertDispatcher::all_gather:
      args.emplace_back("--moe-token-dispatcher-type allgather");
      break;
    case ExpertDispatcher::deepep:
      args.emplace_back("--moe-token-dispatcher-type flex --moe-enable-deepep");
      break;
  }
  args.emplace_back("--moe-grouped-gemm");
  if (plan.routing.capacity_factor > 0)
    args.push_back(fmt::format("--moe-expert-capacity-factor {} --moe-pad-expert-input-to-capacity",
                               plan.routing.capacity_factor));
  if (plan.shared_expert_overlap) args.emplace_back("--moe-shared-expert-overlap");
  if (plan.overlap_expert_parallel) args.emplace_back("--overlap-moe-expert-parallel-comm");
  return joined(args, " ");
}

std::string fp8_args(const Plan& plan, const Workload& workload) {
  std::string args = " --bf16 --fp8-format hybrid";
  if (workload.fp8_recipe != Fp8Recipe::delayed) args += " --fp8-recipe " + name(workload.fp8_recipe);
  if (plan.fp8_param_gather) args += " --fp8-param-gather";
  return args;
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
      return args + fp8_args(plan, workload);
    case DataType::nvfp4:
      return args + " --bf16 --fp4-format e2m1 --fp4-recipe nvfp4";
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
      if (optimizer_instances(plan) > 1)
        args.emplace_back("--use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params");
      break;
  }
  if (optimizer_instances(plan) > 1)
    args.push_back(fmt::format("--num-distributed-optimizer-instances {}", optimizer_instances(plan)));
  // FSDP2 overlaps by itself. Megatron refuses --overlap-param-gather where it gathers none, or without the other flag.
  const bool torch_fsdp2 = plan.data_parallel_kind == DataParallelKind::fsdp;
  const bool gathers = !torch_fsdp2 && plan.data_parallel_kind != DataParallelKind::ddp;
  const bool overlaps = plan.overlap_grad_reduce.value_or(false) && !torch_fsdp2;
  if (overlaps) args.emplace_back("--overlap-grad-reduce");
  if (overlaps && gathers && plan.overlap_param_gather.value_or(false)) args.emplace_back("--overlap-param-gather");
  if (plan.grad_reduce_type == DataType::fp32) args.emplace_back("--accumulate-allreduce-grads-in-fp32");
  if (plan.grad_reduce_type == DataType::bf16) args.emplace_back("--grad-reduce-in-bf16");
  if (plan.virtual_stages > 1 && plan.overlap_p2p == false) args.emplace_back("--no-overlap-p2p-communication");
  if (plan.tp_comm_overlap.value_or(false)) args.emplace_back("--tp-comm-overlap");
  if (plan.cuda_graphs.value_or(false)) args.emplace_back("--enable-cuda-graph");
  return joined(args, " ");
}

std::string recompute_args(const Plan& plan) {
  switch (plan.recompute) {
    case Recompute::none:
      return {};
    case Recompute::selective: {
      std::string args = "--recompute-granularity selective";
      if (plan.recompute_modules == recompute_core_attn) return args;
      args += " --recompute-modules";
      for (const std::string& word : recompute_module_names())
        if ((plan.recompute_modules & *recompute_module_from(word)) != 0) args += " " + word;
      return args;
    }
    case Recompute::full: {
      // A block of unsaid size is every layer, which is what uniform with 1 says.
      const RecomputeMethod method = plan.recompute_layers == 0 ? RecomputeMethod::uniform : plan.recompute_method;
      return fmt::format("--recompute-granularity full --recompute-method {} --recompute-num-layers {}", name(method),
                         std::max(1, plan.recompute_layers));
    }
  }
  return {};
}

std::string offload_args(const Plan& plan) {
  std::vector<std::string> args;
  if (plan.optimizer_offload == OffloadTarget::cpu) args.emplace_back("--optimizer-cpu-offload");
  if (plan.optimizer_offload == OffloadTarget::cpu && plan.optimizer_offload_fraction != 1)
    args.push_back(fmt::format("--optimizer-offload-fraction {}", plan.optimizer_offload_fraction));
  if (plan.activation_offload_layers > 0)
    args.push_back(fmt::format("--cpu-offloading-num-layers {}", plan.activation_offload_layers));
  return joined(args, " ");
}

}  // namespace

std::string to_megatron_args(const Plan& plan, const Workload& workload, const ModelShape& model) {
  std::vector<std::string> lines;
  for (std::string line : {size_args(plan, model), pipeline_args(plan, model), schedule_args(plan), context_args(plan),
                           expert_args(plan, model), batch_args(plan, workload), data_parallel_args(plan),
                           recompute_args(plan), offload_args(plan)})
    if (!line.empty()) lines.push_back(std::move(line));
  std::string text = joined(lines, " \\\n") + "\n";
  for (const std::string& setting : inexpressible_in_megatron(plan, workload))
    text += fmt::format("# Megatron-LM has no argument for {}\n", setting);
  if (is_zero_bubble(plan))
    text += "# the zero-bubble arguments are those of the fork sail-sg/zero-bubble-pipeline-parallelism\n";
  return text;
}

}  // namespace trainyard
