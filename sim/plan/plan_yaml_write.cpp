// to_yaml of plan_yaml.hpp: the writer beside the reader.
#include <fmt/format.h>

#include "sim/plan/plan_yaml.hpp"

namespace trainyard {
namespace {

class YamlLines {
 public:
  template <class Value>
  void line(std::string_view key, const Value& value) {
    text_ += fmt::format("  {}: {}\n", key, value);
  }
  // Settings left at their default are left out.
  template <class Value>
  void unless(std::string_view key, const Value& value, const Value& usual) {
    if (value != usual) line(key, value);
  }
  template <class Value>
  void if_given(std::string_view key, const std::optional<Value>& value) {
    if (value) line(key, *value);
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

template <class Value>
std::string list_text(const std::vector<Value>& values) {
  return fmt::format("[{}]", fmt::join(values, ", "));
}

void write_pipeline(YamlLines& out, const Plan& plan) {
  out.line("schedule", plan.schedule);
  out.unless("microbatch_group_size_per_vp_stage", plan.interleave_group, 0);
  out.if_given("optimizer_post_validation", plan.optimizer_post_validation);
  if (!plan.layers_per_chunk.empty()) out.line("layers_per_chunk", list_text(plan.layers_per_chunk));
  out.unless("mtp_chunk", plan.prediction_chunk, -1);
  out.if_given("decoder_first_pipeline_num_layers", plan.pipeline_ends.first_layers);
  out.if_given("decoder_last_pipeline_num_layers", plan.pipeline_ends.last_layers);
  out.unless("account_for_embedding_in_pipeline_split", plan.pipeline_ends.embedding_counts, false);
  out.unless("account_for_loss_in_pipeline_split", plan.pipeline_ends.loss_counts, false);
}

void write_sharding(YamlLines& out, const Sharding& sharding) {
  const Sharding usual;
  out.unless("data_parallel_shard_degree", sharding.group, usual.group);
  out.unless("num_distributed_optimizer_instances", sharding.replicas, usual.replicas);
  if (sharding.reshard_group > 0)
    out.line("reshard_after_forward", sharding.reshard_group);
  else
    out.if_given("reshard_after_forward", sharding.reshard_after_forward);
  out.unless("fsdp_prefetch_units", sharding.prefetch_units, usual.prefetch_units);
  out.unless("gradient_sync_every_micro_batch", sharding.sync_every_micro_batch, usual.sync_every_micro_batch);
  out.unless("zero_hpz_partition_size", sharding.secondary_group, usual.secondary_group);
  out.unless("zero_quantized_weights", sharding.quantized_weights, usual.quantized_weights);
  out.unless("zero_quantized_gradients", sharding.quantized_gradients, usual.quantized_gradients);
  out.unless("reduce_bucket_size", sharding.reduce_bucket, usual.reduce_bucket);
}

void write_recompute(YamlLines& out, const Plan& plan) {
  out.line("recompute_granularity", name(plan.recompute));
  if (plan.recompute_modules != Plan{}.recompute_modules) {
    std::vector<std::string> modules;
    for (const std::string& word : recompute_module_names())
      if ((plan.recompute_modules & *recompute_module_from(word)) != 0) modules.push_back(word);
    out.line("recompute_modules", list_text(modules));
  }
  out.unless("recompute_method", name(plan.recompute_method), name(RecomputeMethod::uniform));
  out.unless("recompute_num_layers", plan.recompute_layers, 0);
}

void write_context(YamlLines& out, const Plan& plan) {
  out.unless("cp_comm_type", name(plan.context_parallel_kind), name(ContextParallelKind::ring));
  if (plan.context_parallel_inner > 0)
    out.line("hierarchical_context_parallel_sizes",
             fmt::format("[{}, {}]", plan.context_parallel_inner, plan.context_parallel / plan.context_parallel_inner));
}

void write_experts(YamlLines& out, const Plan& plan) {
  const ExpertRouting usual;
  if (plan.dispatcher) out.line("moe_token_dispatcher_type", name(*plan.dispatcher));
  out.unless("moe_expert_capacity_factor", plan.routing.capacity_factor, usual.capacity_factor);
  out.unless("moe_load_imbalance", plan.routing.imbalance, usual.imbalance);
  if (!plan.routing.loads.empty()) out.line("moe_expert_loads", list_text(plan.routing.loads));
  out.unless("moe_load_skew", plan.routing.skew, usual.skew);
  out.unless("moe_load_seed", plan.routing.seed, usual.seed);
  out.unless("moe_shared_expert_overlap", plan.shared_expert_overlap, false);
  out.unless("overlap_moe_expert_parallel_comm", plan.overlap_expert_parallel, false);
}

void write_stack_switches(YamlLines& out, const Plan& plan) {
  out.if_given("overlap_grad_reduce", plan.overlap_grad_reduce);
  out.if_given("overlap_param_gather", plan.overlap_param_gather);
  out.if_given("overlap_p2p_comm", plan.overlap_p2p);
  out.if_given("tp_comm_overlap", plan.tp_comm_overlap);
  out.unless("tp_comm_overlap_method", name(plan.tp_overlap_method), name(TpOverlapMethod::measured));
  out.if_given("async_tensor_parallel", plan.async_tensor_parallel);
  out.if_given("cuda_graphs", plan.cuda_graphs);
  if (plan.grad_reduce_type) out.line("grad_reduce_in_fp32", *plan.grad_reduce_type == DataType::fp32);
  out.unless("fp8_param_gather", plan.fp8_param_gather, false);
}

void write_offload(YamlLines& out, const Plan& plan) {
  out.unless("offload_optimizer", name(plan.optimizer_offload), name(OffloadTarget::none));
  out.unless("optimizer_offload_fraction", plan.optimizer_offload_fraction, 1.0);
  out.unless("cpu_offloading_num_layers", plan.activation_offload_layers, 0);
}

std::string placement_yaml(const Plan& plan) {
  if (plan.placement == PlacementKind::device_list)
    return fmt::format("{{devices: {}}}", list_text(plan.placement_devices));
  if (plan.placement != PlacementKind::explicit_list) return name(plan.placement);
  std::vector<std::string> nodes;
  for (const std::vector<int>& gpus : plan.explicit_placement) nodes.push_back(list_text(gpus));
  return fmt::format("{{explicit: {}}}", list_text(nodes));
}

std::string workload_yaml(const Plan& plan, const Workload& workload) {
  YamlLines out;
  out.line("sequence_length", workload.sequence_length);
  out.line("global_batch_size", plan.global_batch_size);
  out.line("precision", name(workload.precision));
  out.unless("fp8_recipe", name(workload.fp8_recipe), name(Fp8Recipe::delayed));
  out.unless("fp8_attention", workload.fp8_attention, false);
  out.unless("document_length", workload.document_length, std::int64_t{0});
  return "workload:\n" + std::move(out).text();
}

}  // namespace

std::string to_yaml(const Plan& plan, const Workload& workload) {
  YamlLines out;
  out.line("tensor_model_parallel_size", plan.tensor_parallel);
  out.line("pipeline_model_parallel_size", plan.pipeline_parallel);
  out.line("num_virtual_stages_per_pipeline_rank", plan.virtual_stages);
  out.unless("data_parallel_size", plan.data_parallel, 0);
  out.line("context_parallel_size", plan.context_parallel);
  write_context(out, plan);
  out.line("expert_model_parallel_size", plan.expert_parallel);
  out.unless("expert_tensor_parallel_size", plan.expert_tensor_parallel, 0);
  write_experts(out, plan);
  out.line("micro_batch_size", plan.micro_batch_size);
  write_pipeline(out, plan);
  out.line("sequence_parallel", plan.sequence_parallel);
  out.line("data_parallel", name(plan.data_parallel_kind));
  write_sharding(out, plan.sharding);
  write_recompute(out, plan);
  write_offload(out, plan);
  if (!plan.free_rank_order) out.line("rank_order", plan.rank_order);
  out.line("placement", placement_yaml(plan));
  write_stack_switches(out, plan);
  return workload_yaml(plan, workload) + "plan:\n" + std::move(out).text();
}

}  // namespace trainyard
