#include "analysis/sweep/torchtitan_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace trainyard {
namespace {

using Lines = std::vector<std::string>;

struct TorchSchedule {
  std::string_view ours, torch;
};
// Names of torch.distributed.pipelining.schedules.get_schedule_class.
constexpr std::array torch_schedules = {
    TorchSchedule{"gpipe", "GPipe"},         TorchSchedule{"1f1b", "1F1B"},
    TorchSchedule{"zb-v", "ZBVZeroBubble"},  TorchSchedule{"interleaved", "Interleaved1F1B"},
    TorchSchedule{"dualpipev", "DualPipeV"}, TorchSchedule{"breadth-first", "LoopedBFS"},
};

std::optional<std::string_view> torch_schedule(const std::string& name) {
  const auto* row =
      std::find_if(torch_schedules.begin(), torch_schedules.end(), [&](const auto& s) { return s.ours == name; });
  if (row == torch_schedules.end()) return std::nullopt;
  return row->torch;
}

bool fully_sharded(const Plan& plan) {
  return plan.data_parallel_kind == DataParallelKind::zero3 || plan.data_parallel_kind == DataParallelKind::fsdp ||
         plan.data_parallel_kind == DataParallelKind::hsdp;
}

bool runs(const Plan& plan) {
  if (plan.pipeline_parallel > 1 && !torch_schedule(plan.schedule)) return false;
  if (plan.data_parallel == 1 && plan.context_parallel == 1) return true;
  const bool other_axes = plan.tensor_parallel > 1 || plan.pipeline_parallel > 1 || plan.context_parallel > 1;
  return fully_sharded(plan) || (plan.data_parallel_kind == DataParallelKind::ddp && !other_axes);
}

// torchtitan shards over data_parallel_shard_degree x context_parallel_degree ranks.
struct DataDegrees {
  int replicate = 1, shard = 1;
};
DataDegrees data_degrees(const Plan& plan) {
  if (!fully_sharded(plan)) return {plan.data_parallel, 1};
  const int shard = plan.sharding.group > 0 ? plan.sharding.group / plan.context_parallel : plan.data_parallel;
  if (shard < 1) return {plan.data_parallel, 1};
  return {plan.data_parallel / shard, shard};
}

// How layers are cut, by "less layers" of the first and last stage: even, or one fewer at both ends.
void add_pipeline_split(const Plan& plan, const ModelShape& model, Lines& lines, Lines& comments) {
  const std::int64_t chunks = std::int64_t{plan.pipeline_parallel} * plan.virtual_stages;
  for (const int fewer : {0, 1}) {
    std::vector<int> layers(static_cast<std::size_t>(chunks), static_cast<int>((model.layers + 2 * fewer) / chunks));
    layers.front() -= fewer;
    layers.back() -= fewer;
    if ((model.layers + 2 * fewer) % chunks != 0 || layers != plan.layers_per_chunk) continue;
    lines.push_back(fmt::format("pipeline_parallel_layers_per_stage = {}", (model.layers + 2 * fewer) / chunks));
    lines.push_back(fmt::format("pipeline_parallel_first_stage_less_layers = {}", fewer));
    lines.push_back(fmt::format("pipeline_parallel_last_stage_less_layers = {}", fewer));
    return;
  }
  comments.push_back(fmt::format("layers_per_chunk [{}]: list the modules of every stage in module_fqns_per_model_part",
                                 fmt::join(plan.layers_per_chunk, ", ")));
}

void add_pipeline(const Plan& plan, const ModelShape& model, Lines& lines, Lines& comments) {
  if (plan.pipeline_parallel == 1) return;
  lines.push_back(fmt::format("pipeline_parallel_schedule = \"{}\"", *torch_schedule(plan.schedule)));
  lines.push_back(fmt::format("pipeline_parallel_microbatch_size = {}", plan.micro_batch_size));
  add_pipeline_split(plan, model, lines, comments);
}

void add_context(const Plan& plan, Lines& lines, Lines& comments) {
  if (plan.context_parallel == 1) return;
  if (plan.context_parallel_kind == ContextParallelKind::ring)
    lines.emplace_back("context_parallel_rotate_method = \"alltoall\"");
  else if (plan.context_parallel_kind == ContextParallelKind::all_gather)
    lines.emplace_back("context_parallel_rotate_method = \"allgather\"");
  else
    comments.push_back("cp_comm_type " + name(plan.context_parallel_kind));
}

void add_experts(const Plan& plan, const ModelShape& model, Lines& lines, Lines& comments) {
  if (!model.moe) return;
  lines.push_back(fmt::format("expert_parallel_degree = {}", plan.expert_parallel));
  lines.push_back(fmt::format("expert_tensor_parallel_degree = {}", std::max(1, plan.expert_tensor_parallel)));
  if (plan.overlap_expert_parallel) comments.emplace_back("overlap_moe_expert_parallel_comm");
  if (plan.routing.capacity_factor > 0)
    comments.push_back(fmt::format("moe_expert_capacity_factor {}", plan.routing.capacity_factor));
}

void add_data(const Plan& plan, Lines& lines, Lines& comments) {
  const DataDegrees degrees = data_degrees(plan);
  lines.push_back(fmt::format("data_parallel_replicate_degree = {}", degrees.replicate));
  lines.push_back(fmt::format("data_parallel_shard_degree = {}", degrees.shard));
  if (!fully_sharded(plan)) return;
  const bool reshards = plan.sharding.reshard_after_forward.value_or(true);
  lines.push_back(fmt::format("fsdp_reshard_after_forward = \"{}\"", reshards ? "always" : "never"));
  if (plan.sharding.reshard_group > 1)
    comments.push_back(fmt::format("reshard_after_forward {}", plan.sharding.reshard_group));
  if (!plan.sharding.sync_every_micro_batch) comments.emplace_back("gradient_sync_every_micro_batch false");
  if (plan.sharding.group > 0 && plan.sharding.group % plan.context_parallel != 0)
    comments.push_back(fmt::format("shard groups of {} ranks that cut context-parallel groups", plan.sharding.group));
}

void add_tensor(const Plan& plan, Lines& lines, Lines& comments) {
  lines.push_back(fmt::format("tensor_parallel_degree = {}", plan.tensor_parallel));
  if (plan.tensor_parallel == 1) return;
  if (!plan.sequence_parallel) comments.emplace_back("sequence_parallel false: its tensor parallelism always has it");
  if (plan.async_tensor_parallel.value_or(false)) {
    lines.emplace_back("enable_async_tensor_parallel = true");
    comments.emplace_back("async_tensor_parallel without compiling the model: enable [compile], too");
  }
  if (plan.tp_comm_overlap.value_or(false)) comments.emplace_back("tp_comm_overlap (userbuffers)");
}

Lines parallelism(const Plan& plan, const ModelShape& model, Lines& comments) {
  Lines lines{"[parallelism]"};
  add_data(plan, lines, comments);
  add_tensor(plan, lines, comments);
  lines.push_back(fmt::format("pipeline_parallel_degree = {}", plan.pipeline_parallel));
  add_pipeline(plan, model, lines, comments);
  lines.push_back(fmt::format("context_parallel_degree = {}", plan.context_parallel));
  add_context(plan, lines, comments);
  add_experts(plan, model, lines, comments);
  return lines;
}

// With a pipeline the local batch is what its micro-batches are cut from; without one the steps of gradient
// accumulation follow from the two batch sizes.
Lines training(const Plan& plan, const Workload& workload, Lines& comments) {
  const int local =
      plan.pipeline_parallel > 1 ? plan.global_batch_size / std::max(1, plan.data_parallel) : plan.micro_batch_size;
  Lines lines{"[training]", fmt::format("local_batch_size = {}", local),
              fmt::format("global_batch_size = {}", plan.global_batch_size),
              fmt::format("seq_len = {}", workload.sequence_length)};
  if (workload.precision == DataType::bf16)
    lines.emplace_back("mixed_precision_param = \"bfloat16\"");
  else
    comments.push_back(fmt::format("precision {} here: see model.converters", name(workload.precision)));
  if (plan.optimizer_offload != OffloadTarget::none)
    comments.emplace_back("offload_optimizer alone: training.enable_cpu_offload takes parameters and gradients, too");
  return lines;
}

Lines activation_checkpoint(const Plan& plan, Lines& comments) {
  Lines lines{"[activation_checkpoint]", fmt::format("mode = \"{}\"", name(plan.recompute))};
  if (plan.recompute == Recompute::selective) {
    lines.emplace_back("selective_ac_option = \"op\"");
    comments.emplace_back("recompute_modules: its selective mode keeps matrix products and attention");
  }
  if (plan.recompute == Recompute::full && plan.recompute_layers > 1)
    comments.push_back(fmt::format("recompute_num_layers {}", plan.recompute_layers));
  return lines;
}

void add_places(const Plan& plan, Lines& comments) {
  if (plan.rank_order != "tp-cp-ep-dp-pp") comments.push_back("rank_order " + plan.rank_order);
  if (plan.placement != PlacementKind::packed) comments.push_back("placement " + name(plan.placement));
  if (plan.activation_offload_layers > 0)
    comments.push_back(fmt::format("cpu_offloading_num_layers {}", plan.activation_offload_layers));
}

}  // namespace

std::optional<std::string> to_torchtitan_config(const Plan& plan, const Workload& workload, const ModelShape& model) {
  if (!runs(plan)) return std::nullopt;
  Lines comments;
  std::string text;
  for (const Lines& table :
       {parallelism(plan, model, comments), training(plan, workload, comments), activation_checkpoint(plan, comments)})
    text += fmt::format("{}\n\n", fmt::join(table, "\n"));
  text.pop_back();
  add_places(plan, comments);
  for (const std::string& comment : comments) text += fmt::format("# torchtitan has no option for {}\n", comment);
  return text;
}

}  // namespace trainyard
