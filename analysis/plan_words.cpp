#include "analysis/plan_words.hpp"

#include <fmt/format.h>

namespace trainyard {

std::string_view title(Axis axis) {
  switch (axis) {
    case Axis::tp:
      return "tensor parallel";
    case Axis::cp:
      return "context parallel";
    case Axis::ep:
      return "expert parallel";
    case Axis::dp:
      return "data parallel";
    case Axis::pp:
      return "pipeline parallel";
  }
  return "?";
}

std::string placement_setting(const Plan& plan) {
  constexpr std::size_t most_listed = 1024;
  if (plan.placement != PlacementKind::device_list) return fmt::format("placement: {}", name(plan.placement));
  if (plan.placement_devices.size() > most_listed) return "placement: {devices: [...]}, see --json";
  return fmt::format("placement: {{devices: [{}]}}", fmt::join(plan.placement_devices, ", "));
}

std::string plan_line(const Plan& plan) {
  std::string text = fmt::format("tp {} · pp {}", plan.tensor_parallel, plan.pipeline_parallel);
  const auto add = [&text](std::string_view word) { text += fmt::format(" · {}", word); };
  if (plan.virtual_stages > 1) add(fmt::format("vpp {}", plan.virtual_stages));
  add(fmt::format("dp {}", plan.data_parallel));
  if (plan.context_parallel > 1)
    add(fmt::format("cp {} ({})", plan.context_parallel, name(plan.context_parallel_kind)));
  if (plan.expert_parallel > 1) add(fmt::format("ep {}", plan.expert_parallel));
  if (plan.expert_parallel > 1 && plan.expert_tensor_parallel != plan.tensor_parallel)
    add(fmt::format("etp {}", plan.expert_tensor_parallel));
  add(fmt::format("mbs {}", plan.micro_batch_size));
  add(fmt::format("gbs {}", plan.global_batch_size));
  if (plan.pipeline_parallel > 1) add(plan.schedule);
  add(name(plan.data_parallel_kind));
  if (plan.sharding.group > 0) add(fmt::format("shard {}", plan.sharding.group));
  if (!plan.sharding.reshard_after_forward.value_or(true)) add("no reshard_after_forward");
  if (plan.sequence_parallel) add("sequence_parallel");
  if (plan.recompute != Recompute::none) add(fmt::format("recompute {}", name(plan.recompute)));
  if (plan.overlap_grad_reduce.value_or(false)) add("overlap_grad_reduce");
  if (plan.overlap_param_gather.value_or(false)) add("overlap_param_gather");
  if (plan.overlap_p2p.value_or(false)) add("overlap_p2p");
  if (plan.tp_comm_overlap.value_or(false)) add("tp_comm_overlap");
  if (plan.dispatcher) add(name(*plan.dispatcher));
  if (plan.shared_expert_overlap) add("moe_shared_expert_overlap");
  if (plan.overlap_expert_parallel) add("overlap_moe_expert_parallel_comm");
  if (plan.optimizer_offload != OffloadTarget::none) add(fmt::format("optimizer on {}", name(plan.optimizer_offload)));
  if (plan.activation_offload_layers > 0)
    add(fmt::format("activations of {} layers on the host", plan.activation_offload_layers));
  if (plan.rank_order != "tp-cp-ep-dp-pp") add(plan.rank_order);
  if (plan.placement != PlacementKind::packed) add(name(plan.placement));
  return text;
}

}  // namespace trainyard
