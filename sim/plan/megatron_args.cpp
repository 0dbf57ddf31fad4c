#include "sim/plan/megatron_args.hpp"

#include <fmt/format.h>

#include "sim/base/text_input.hpp"
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
  const bool fp4 = flags_.choice("--fp4-format", {"e2m1"}).has_value();
  flags_.choice("--fp4-recipe", {"nvfp4"});
  if (fp8 && fp4) flags_.fail("--fp4-format", "--fp8-format and --fp4-format exclude each other");
  workload.precision = fp4    ? DataType::nvfp4
                       : fp8  ? DataType::fp8
                       : bf16 ? DataType::bf16
                       : fp16 ? DataType::fp16
                              : DataType::fp32;
  if (const auto recipe = flags_.choice("--fp8-recipe", {"delayed", "tensorwise", "blockwise", "mxfp8"}))
    workload.fp8_recipe = *fp8_recipe_from(*recipe);
  import_.plan.fp8_param_gather = flags_.given("--fp8-param-gather");
  if (!bf16 && !fp16 && !fp8 && !fp4) defaulted("precision: fp32 (neither --bf16 nor --fp16)");
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
  if (const std::optional<std::string> layout = flags_.word("--pipeline-model-parallel-layout"))
    read_layout(*layout);
  else
    read_pipeline_ends();
  set_size("--microbatch-group-size-per-virtual-pipeline-stage", import_.plan.interleave_group);
  read_schedule();
}

void MegatronReader::read_layout(const std::string& text) {
  constexpr std::string_view flag = "--pipeline-model-parallel-layout";
  Plan& plan = import_.plan;
  const std::optional<PipelineLayout> layout = pipeline_layout(text);
  if (!layout || layout->layers.size() % static_cast<std::size_t>(plan.pipeline_parallel) != 0)
    flags_.fail(flag,
                fmt::format("{} '{}' does not describe a multiple of {} chunks", flag, text, plan.pipeline_parallel),
                "as in \"Et|(tt|)*3,t||L\"");
  plan.layers_per_chunk = layout->layers;
  plan.virtual_stages = static_cast<int>(layout->layers.size()) / plan.pipeline_parallel;
  const std::optional<int> predictions = layout->prediction_chunk();
  if (!predictions)
    not_understood(fmt::format("{} '{}': all prediction layers are taken to be in the last chunk", flag, text));
  plan.prediction_chunk = predictions.value_or(-1);
}

// --decoder-first/last-pipeline-num-layers and --account-for-embedding/loss-in-pipeline-split. What the plan's own
// split gives anyway is not repeated.
void MegatronReader::read_pipeline_ends() {
  Plan& plan = import_.plan;
  PipelineEnds ends;
  ends.embedding_counts = flags_.given("--account-for-embedding-in-pipeline-split");
  ends.loss_counts = flags_.given("--account-for-loss-in-pipeline-split");
  read_virtual_stages((ends.embedding_counts ? 1 : 0) + (ends.loss_counts ? 1 : 0));
  const auto first = flags_.integer("--decoder-first-pipeline-num-layers", 0, max_model_layers);
  const auto last = flags_.integer("--decoder-last-pipeline-num-layers", 0, max_model_layers);
  if (first) ends.first_layers = static_cast<int>(*first);
  if (last) ends.last_layers = static_cast<int>(*last);
  if (ends == PipelineEnds{}) return;
  const std::int64_t layers = import_.model.layers;
  const std::int64_t chunks = static_cast<std::int64_t>(plan.pipeline_parallel) * plan.virtual_stages;
  if (chunks > layers + 2) return;  // check_plan explains
  const auto split = split_layers(layers, plan.pipeline_parallel, plan.virtual_stages, ends);
  if (!split && (first || last))
    flags_.fail(first ? "--decoder-first-pipeline-num-layers" : "--decoder-last-pipeline-num-layers",
                fmt::format("{} layers less those of the first and last pipeline rank do not split evenly over the "
                            "other ranks of {} and {} virtual stages",
                            layers, plan.pipeline_parallel, plan.virtual_stages));
  if (split_layers(layers, chunks) != split) plan.pipeline_ends = ends;
}

// Zero Bubble is not in Megatron-LM but in its fork sail-sg/zero-bubble-pipeline-parallelism: with as many pending
// backwards as 1F1B it is the hand-written H1, with twice as many H2.
void MegatronReader::read_schedule() {
  Plan& plan = import_.plan;
  const bool zero_bubble = flags_.given("--enable-zero-bubble"), v_shaped = flags_.given("--zero-bubble-v-schedule");
  const auto pending = flags_.integer("--zero-bubble-max-pending-backward", 1, largest_megatron_size);
  const bool post_validation = flags_.given("--enable-optimizer-post-validation");
  plan.schedule = plan.virtual_stages > 1 ? "interleaved" : "1f1b";
  if (!zero_bubble && !v_shaped) return;
  plan.optimizer_post_validation = post_validation;
  const bool twice = pending && *pending >= 2 * std::int64_t{plan.pipeline_parallel};
  plan.schedule = v_shaped ? "zb-v" : twice ? "zb-h2" : "zb-h1";
  constexpr int v_shaped_stages = 2;
  if (v_shaped) plan.virtual_stages = v_shaped_stages;
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

void MegatronReader::read_overlap() {
  Plan& plan = import_.plan;
  const bool grad_reduce = flags_.given("--overlap-grad-reduce"), param_gather = flags_.given("--overlap-param-gather");
  if (plan.data_parallel_kind != DataParallelKind::fsdp) {  // which overlaps by itself
    plan.overlap_grad_reduce = grad_reduce;
    plan.overlap_param_gather = param_gather;
  }
  // Megatron-LM overlaps the pipeline's sends unless told otherwise, but only in the interleaved schedule.
  const bool no_overlap_p2p = flags_.given("--no-overlap-p2p-communication");
  plan.overlap_p2p = plan.virtual_stages > 1 && !no_overlap_p2p;
  plan.tp_comm_overlap = flags_.given("--tp-comm-overlap");
  if (flags_.given("--enable-cuda-graph") || flags_.given("--external-cuda-graph")) plan.cuda_graphs = true;
  const bool fp32 = flags_.given("--accumulate-allreduce-grads-in-fp32"), bf16 = flags_.given("--grad-reduce-in-bf16");
  if (fp32 && bf16)
    flags_.fail("--grad-reduce-in-bf16",
                "--accumulate-allreduce-grads-in-fp32 and --grad-reduce-in-bf16 exclude each "
                "other");
  if (fp32) plan.grad_reduce_type = DataType::fp32;
  if (bf16) plan.grad_reduce_type = DataType::bf16;
}

MegatronImport read_megatron_args(const std::string& script, const std::string& name_in_messages) {
  require_text(script, name_in_messages);
  MegatronFlags flags(script, name_in_messages);
  MegatronImport import = MegatronReader(flags).read();
  if (const std::optional<ShapeProblem> problem = check_shape(import.model))
    throw InputError({name_in_messages, 0, 0}, "the model: " + problem->message, problem->hint);
  return import;
}

}  // namespace trainyard
