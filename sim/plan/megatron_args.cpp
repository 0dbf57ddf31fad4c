#include "sim/plan/megatron_args.hpp"

#include <fmt/format.h>

#include "sim/plan/layer_split.hpp"
#include "sim/plan/megatron_patterns.hpp"
#include "sim/plan/megatron_reader.hpp"

namespace trainyard {

void MegatronReader::read_parallel_sizes() {
  Plan& plan = import_.plan;
  set_size("--tensor-model-parallel-size", plan.tensor_parallel);
  set_size("--pipeline-model-parallel-size", plan.pipeline_parallel);
  set_size("--context-parallel-size", plan.context_parallel);
  set_size("--expert-model-parallel-size", plan.expert_parallel);
  set_size("--expert-tensor-parallel-size", plan.expert_tensor_parallel);
  plan.sequence_parallel = flags_.given("--sequence-parallel");
  if (flags_.given("--use-tp-pp-dp-mapping")) plan.rank_order = "tp-cp-ep-pp-dp";
}

void MegatronReader::read_workload() {
  Workload& workload = import_.workload;
  workload.sequence_length = flags_.required_integer("--seq-length", 1, largest_megatron_size);
  const bool bf16 = flags_.given("--bf16"), fp16 = flags_.given("--fp16");
  if (bf16 && fp16) flags_.fail("--fp16", "--bf16 and --fp16 exclude each other");
  const bool fp8 = flags_.choice("--fp8-format", {"hybrid", "e4m3"}).has_value();
  workload.precision = fp8 ? DataType::fp8 : bf16 ? DataType::bf16 : fp16 ? DataType::fp16 : DataType::fp32;
  if (!bf16 && !fp16 && !fp8) defaulted("precision: fp32 (neither --bf16 nor --fp16)");
}

void MegatronReader::read_batch() {
  Plan& plan = import_.plan;
  plan.micro_batch_size = static_cast<int>(flags_.required_integer("--micro-batch-size", 1, largest_megatron_size));
  const std::optional<std::int64_t> global = flags_.integer("--global-batch-size", 1, largest_megatron_size);
  if (global) {
    plan.global_batch_size = static_cast<int>(*global);
    return;
  }
  const double replica = static_cast<double>(plan.tensor_parallel) * plan.pipeline_parallel * plan.context_parallel;
  const std::optional<int> world = flags_.world_size();
  if (!world || *world < replica || static_cast<double>(plan.micro_batch_size) * *world > largest_megatron_size)
    flags_.fail("--global-batch-size",
                "the command has no --global-batch-size, and its default, --micro-batch-size "
                "times the data-parallel size, needs the world size",
                "add it");
  plan.global_batch_size = plan.micro_batch_size * (*world / static_cast<int>(replica));
  defaulted(fmt::format("--global-batch-size: {} (one micro-batch per data-parallel rank)", plan.global_batch_size));
}

void MegatronReader::read_pipeline() {
  Plan& plan = import_.plan;
  if (const std::optional<std::string> layout = flags_.word("--pipeline-model-parallel-layout")) {
    const std::optional<std::vector<int>> layers = layers_of_layout(*layout);
    if (!layers || layers->size() % static_cast<std::size_t>(plan.pipeline_parallel) != 0)
      flags_.fail("--pipeline-model-parallel-layout",
                  fmt::format("--pipeline-model-parallel-layout '{}' does not describe a multiple of {} chunks",
                              *layout, plan.pipeline_parallel),
                  "as in \"Et|(tt|)*3,t||L\"");
    plan.layers_per_chunk = *layers;
    plan.virtual_stages = static_cast<int>(layers->size()) / plan.pipeline_parallel;
  } else {
    read_accounted_ends();
  }
  plan.schedule = plan.virtual_stages > 1 ? ScheduleKind::interleaved : ScheduleKind::one_f_one_b;
}

// --account-for-embedding/loss-in-pipeline-split: each counts as one layer of the first or last chunk.
void MegatronReader::read_accounted_ends() {
  Plan& plan = import_.plan;
  const int embedding = flags_.given("--account-for-embedding-in-pipeline-split") ? 1 : 0;
  const int loss = flags_.given("--account-for-loss-in-pipeline-split") ? 1 : 0;
  read_virtual_stages(embedding + loss);
  read_uneven_pipeline();
  const std::int64_t chunks = static_cast<std::int64_t>(plan.pipeline_parallel) * plan.virtual_stages;
  const std::int64_t slots = import_.model.layers + embedding + loss;
  if (embedding + loss == 0 || !plan.layers_per_chunk.empty() || chunks > slots || slots % chunks != 0) return;
  std::vector<int> layers(static_cast<std::size_t>(chunks), static_cast<int>(slots / chunks));
  layers.front() -= embedding;
  layers.back() -= loss;
  if (split_layers(import_.model.layers, chunks) != layers) plan.layers_per_chunk = std::move(layers);
}

void MegatronReader::read_virtual_stages(std::int64_t extra_layers) {
  Plan& plan = import_.plan;
  set_size("--num-virtual-stages-per-pipeline-rank", plan.virtual_stages);
  constexpr std::string_view per_chunk_flag = "--num-layers-per-virtual-pipeline-stage";
  const std::optional<std::int64_t> per_chunk = flags_.integer(per_chunk_flag, 1, largest_megatron_size);
  if (!per_chunk) return;
  if (plan.virtual_stages > 1)
    flags_.fail(per_chunk_flag,
                fmt::format("{} and --num-virtual-stages-per-pipeline-rank exclude each other", per_chunk_flag));
  const std::int64_t layers = import_.model.layers + extra_layers;
  if (layers % plan.pipeline_parallel != 0 || layers / plan.pipeline_parallel % *per_chunk != 0)
    flags_.fail(per_chunk_flag, fmt::format("{} layers are not divisible by --pipeline-model-parallel-size {} * {} {}",
                                            layers, plan.pipeline_parallel, per_chunk_flag, *per_chunk));
  plan.virtual_stages = static_cast<int>(layers / plan.pipeline_parallel / *per_chunk);
}

// --decoder-first/last-pipeline-num-layers: layers of the first and last pipeline rank, the others share the rest; each
// rank's layers spread evenly over its chunks.
void MegatronReader::read_uneven_pipeline() {
  Plan& plan = import_.plan;
  const auto first = flags_.integer("--decoder-first-pipeline-num-layers", 0, max_model_layers);
  const auto last = flags_.integer("--decoder-last-pipeline-num-layers", 0, max_model_layers);
  if (!first && !last) return;
  const std::int64_t ranks = plan.pipeline_parallel, chunks_per_rank = plan.virtual_stages;
  const std::int64_t rest = import_.model.layers - first.value_or(0) - last.value_or(0);
  const std::int64_t sharing = ranks - (first ? 1 : 0) - (last ? 1 : 0);
  const bool shared_evenly = sharing > 0 ? rest >= 0 && rest % (sharing * chunks_per_rank) == 0 : rest == 0;
  if (sharing < 0 || !shared_evenly || first.value_or(0) % chunks_per_rank != 0 ||
      last.value_or(0) % chunks_per_rank != 0)
    flags_.fail(
        first ? "--decoder-first-pipeline-num-layers" : "--decoder-last-pipeline-num-layers",
        fmt::format("{} layers less those of the first and last pipeline rank do not split evenly over the other "
                    "{} ranks and {} virtual stages",
                    import_.model.layers, sharing, chunks_per_rank));
  if (ranks * chunks_per_rank > import_.model.layers + 2) return;  // check_plan explains
  for (std::int64_t chunk = 0; chunk < chunks_per_rank; ++chunk)
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      std::int64_t layers = sharing > 0 ? rest / sharing : 0;
      if (first && rank == 0)
        layers = *first;
      else if (last && rank == ranks - 1)
        layers = *last;
      plan.layers_per_chunk.push_back(static_cast<int>(layers / chunks_per_rank));
    }
}

void MegatronReader::read_data_parallel() {
  DataParallelKind& kind = import_.plan.data_parallel_kind;
  const bool distributed_optimizer = flags_.given("--use-distributed-optimizer");
  if (distributed_optimizer) kind = DataParallelKind::zero1;
  const std::optional<std::string> strategy =
      flags_.choice("--data-parallel-sharding-strategy", {"no_shard", "optim", "optim_grads", "optim_grads_params"});
  const bool megatron_fsdp = flags_.given("--use-megatron-fsdp");
  if (megatron_fsdp) {
    const std::string shards = strategy.value_or("no_shard");
    if (!strategy) defaulted("--data-parallel-sharding-strategy: no_shard");
    kind = shards == "optim_grads_params" ? DataParallelKind::zero3
           : shards == "optim_grads"      ? DataParallelKind::zero2
           : shards == "optim"            ? DataParallelKind::zero1
                                          : DataParallelKind::ddp;
  }
  if (flags_.given("--use-torch-fsdp2")) kind = DataParallelKind::fsdp;
  const auto instances = flags_.integer("--num-distributed-optimizer-instances", 1, largest_megatron_size);
  if (instances && *instances > 1)
    not_understood(
        fmt::format("--num-distributed-optimizer-instances {}: the optimizer is sharded over all "
                    "data-parallel ranks",
                    *instances));
}

void MegatronReader::read_overlap() {
  Plan& plan = import_.plan;
  plan.overlap_grad_reduce = flags_.given("--overlap-grad-reduce");
  plan.overlap_param_gather = flags_.given("--overlap-param-gather");
  // Megatron-LM overlaps the pipeline's sends unless told otherwise, but only in the interleaved schedule.
  const bool no_overlap_p2p = flags_.given("--no-overlap-p2p-communication");
  plan.overlap_p2p = plan.virtual_stages > 1 && !no_overlap_p2p;
  plan.tp_comm_overlap = flags_.given("--tp-comm-overlap");
  const bool fp32 = flags_.given("--accumulate-allreduce-grads-in-fp32"), bf16 = flags_.given("--grad-reduce-in-bf16");
  if (fp32 && bf16)
    flags_.fail("--grad-reduce-in-bf16",
                "--accumulate-allreduce-grads-in-fp32 and --grad-reduce-in-bf16 exclude each "
                "other");
  if (fp32) plan.grad_reduce_type = DataType::fp32;
  if (bf16) plan.grad_reduce_type = DataType::bf16;
}

void MegatronReader::read_recompute() {
  Plan& plan = import_.plan;
  if (flags_.given("--recompute-activations")) plan.recompute = Recompute::selective;
  if (const auto granularity = flags_.choice("--recompute-granularity", {"full", "selective"}))
    plan.recompute = *recompute_from(*granularity);
  const auto method = flags_.choice("--recompute-method", {"uniform", "block"});
  const auto layers = flags_.integer("--recompute-num-layers", 1, max_model_layers);
  if (plan.recompute != Recompute::full) return;
  if (!method)
    flags_.fail("--recompute-granularity", "--recompute-granularity full needs --recompute-method",
                "uniform with --recompute-num-layers 1 recomputes every layer");
  if (*method == "block")
    not_understood(fmt::format("--recompute-method block --recompute-num-layers {}: every layer is recomputed here",
                               layers.value_or(1)));
  else if (layers.value_or(1) > 1)
    not_understood(fmt::format("--recompute-num-layers {}: every layer is checkpointed here", *layers));
}

MegatronImport read_megatron_args(const std::string& script, const std::string& name_in_messages) {
  MegatronFlags flags(script, name_in_messages);
  MegatronImport import = MegatronReader(flags).read();
  if (const std::optional<ShapeProblem> problem = check_shape(import.model))
    throw InputError({name_in_messages, 0, 0}, "the model: " + problem->message, problem->hint);
  return import;
}

}  // namespace trainyard
