#include "sim/plan/megatron_inexpressible.hpp"

#include <fmt/format.h>

namespace trainyard {
namespace {

using Settings = std::vector<std::string>;

void add_schedule(const Plan& plan, Settings& settings) {
  const bool chosen_by_virtual_stages = plan.schedule == (plan.virtual_stages > 1 ? "interleaved" : "1f1b");
  if (!chosen_by_virtual_stages && !is_zero_bubble(plan)) settings.push_back("schedule " + plan.schedule);
  if (plan.rank_order != "tp-cp-ep-dp-pp" && plan.rank_order != "tp-cp-ep-pp-dp")
    settings.push_back("rank_order " + plan.rank_order);
  if (plan.placement != PlacementKind::packed) settings.push_back("placement " + name(plan.placement));
  if (plan.virtual_stages <= 1 && plan.overlap_p2p.value_or(false))
    settings.emplace_back("overlap_p2p_comm true without virtual stages");
  const bool sharded = plan.data_parallel_kind != DataParallelKind::ddp;
  if (sharded && plan.overlap_param_gather.value_or(false) && !plan.overlap_grad_reduce.value_or(true))
    settings.emplace_back("overlap_param_gather without overlap_grad_reduce");
}

void add_sharding(const Plan& plan, Settings& settings) {
  const Sharding& sharding = plan.sharding;
  const Sharding usual;
  const bool copies_known = optimizer_instances(plan) > 1;
  if (plan.data_parallel_kind == DataParallelKind::hsdp && !copies_known) settings.emplace_back("data_parallel hsdp");
  if (sharding.group > 0 && plan.data_parallel == 0)
    settings.push_back(fmt::format("data_parallel_shard_degree {} without data_parallel_size", sharding.group));
  if (sharding.reshard_group > 0)
    settings.push_back(fmt::format("reshard_after_forward {}", sharding.reshard_group));
  else if (sharding.reshard_after_forward)
    settings.push_back(fmt::format("reshard_after_forward {}", *sharding.reshard_after_forward));
  if (sharding.prefetch_units != usual.prefetch_units)
    settings.push_back(fmt::format("fsdp_prefetch_units {}", sharding.prefetch_units));
  if (!sharding.sync_every_micro_batch) settings.emplace_back("gradient_sync_every_micro_batch false");
  if (sharding.secondary_group > 0)
    settings.push_back(fmt::format("zero_hpz_partition_size {}", sharding.secondary_group));
  if (sharding.quantized_weights) settings.emplace_back("zero_quantized_weights");
  if (sharding.quantized_gradients) settings.emplace_back("zero_quantized_gradients");
  if (sharding.reduce_bucket > 0) settings.push_back(fmt::format("reduce_bucket_size {}", sharding.reduce_bucket));
}

void add_routing(const ExpertRouting& routing, Settings& settings) {
  if (routing.imbalance > 0) settings.push_back(fmt::format("moe_load_imbalance {}", routing.imbalance));
  if (!routing.loads.empty()) settings.emplace_back("moe_expert_loads");
  if (routing.skew > 0) settings.push_back(fmt::format("moe_load_skew {}", routing.skew));
}

void add_precision(const Workload& workload, Settings& settings) {
  if (workload.precision == DataType::tf32) settings.emplace_back("precision tf32");
  if (workload.fp8_attention) settings.emplace_back("fp8_attention");
  if (workload.document_length > 0) settings.push_back(fmt::format("document_length {}", workload.document_length));
}

}  // namespace

bool is_zero_bubble(const Plan& plan) {
  return plan.schedule == "zb-h1" || plan.schedule == "zb-h2" || plan.schedule == "zb-v";
}

int optimizer_instances(const Plan& plan) {
  const Sharding& sharding = plan.sharding;
  if (sharding.replicas > 0) return sharding.replicas;
  if (sharding.group <= 0) return 1;
  const std::int64_t ranks = std::int64_t{plan.data_parallel} * plan.context_parallel;
  return ranks > 0 && ranks % sharding.group == 0 ? static_cast<int>(ranks / sharding.group) : 1;
}

std::vector<std::string> inexpressible_in_megatron(const Plan& plan, const Workload& workload) {
  Settings settings;
  add_schedule(plan, settings);
  add_sharding(plan, settings);
  add_routing(plan.routing, settings);
  if (plan.optimizer_offload == OffloadTarget::nvme) settings.emplace_back("offload_optimizer nvme");
  add_precision(workload, settings);
  return settings;
}

}  // namespace trainyard
