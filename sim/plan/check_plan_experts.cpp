// The rules of plan_checker.hpp about mixtures of experts.
#include <fmt/format.h>

#include <cmath>

#include "sim/plan/plan_checker.hpp"

namespace trainyard {

void PlanChecker::check_experts() {
  const std::int64_t ep = plan_.expert_parallel;
  if (!model_.moe && ep > 1)
    add("ep", fmt::format("expert_model_parallel_size {} needs a mixture-of-experts model", ep));
  if (model_.moe && model_.moe->experts % ep != 0)
    add("ep", fmt::format("{} experts are not divisible by expert_model_parallel_size {}", model_.moe->experts, ep));
  check_expert_overlap();
  if (!model_.moe && plan_.expert_tensor_parallel <= 1) return;
  check_expert_grid();
}

void PlanChecker::check_expert_grid() {
  const std::int64_t etp = plan_.expert_tensor_parallel > 0 ? plan_.expert_tensor_parallel : plan_.tensor_parallel;
  if (model_.moe && model_.moe->expert_ffn % etp != 0)
    add("etp", fmt::format("moe_ffn_hidden_size {} is not divisible by expert_tensor_parallel_size {}",
                           model_.moe->expert_ffn, etp));
  const std::int64_t cell = saturating_product({etp, plan_.expert_parallel, plan_.pipeline_parallel});
  if (world_size() % cell != 0)
    add("ep", fmt::format("{} GPUs are not divisible by expert_tensor_parallel_size {} * expert_model_parallel_size "
                          "{} * pipeline_model_parallel_size {} = {}",
                          world_size(), etp, plan_.expert_parallel, plan_.pipeline_parallel, count_text(cell)));
  // Both grids must cut the world into the same pipelines; with pp slowest they always do.
  const std::optional<std::vector<Axis>> order = axes_of(plan_.rank_order);
  const bool same_cut =
      etp * plan_.expert_parallel == saturating_product({plan_.tensor_parallel, plan_.context_parallel});
  if (order && order->back() != Axis::pp && plan_.pipeline_parallel > 1 && !same_cut)
    add("ep", fmt::format("rank_order '{}' must end with pp when the expert grid differs from the dense one",
                          plan_.rank_order));
}

// Overlapping needs something to overlap with (TransformerConfig of Megatron-Core refuses the same).
void PlanChecker::check_expert_overlap() {
  if (plan_.overlap_expert_parallel && plan_.expert_parallel == 1)
    add("ep", "overlap_moe_expert_parallel_comm needs expert_model_parallel_size > 1");
  if (plan_.overlap_expert_parallel && plan_.pipeline_parallel > 1 && plan_.virtual_stages == 1)
    add("ep", fmt::format("overlap_moe_expert_parallel_comm with pipeline_model_parallel_size {} needs "
                          "num_virtual_stages_per_pipeline_rank > 1",
                          plan_.pipeline_parallel));
  if (plan_.overlap_expert_parallel && plan_.recompute == Recompute::full)
    add("ep", "overlap_moe_expert_parallel_comm excludes recompute_granularity full");
  if (plan_.overlap_expert_parallel && plan_.dispatcher == ExpertDispatcher::all_gather)
    add("ep", "overlap_moe_expert_parallel_comm excludes moe_token_dispatcher_type allgather");
  if (!plan_.shared_expert_overlap) return;
  if (!model_.moe || (model_.moe->shared_experts == 0 && model_.moe->shared_ffn == 0))
    add("ep", "moe_shared_expert_overlap needs a model with shared experts");
  if (plan_.dispatcher && *plan_.dispatcher != ExpertDispatcher::all_to_all)
    add("ep", fmt::format("moe_shared_expert_overlap needs moe_token_dispatcher_type alltoall, not {}",
                          name(*plan_.dispatcher)));
}

void PlanChecker::check_routing() {
  const ExpertRouting& routing = plan_.routing;
  const auto not_negative = [this](const char* key, double value) {
    if (!std::isfinite(value) || value < 0) add("ep", fmt::format("{} is {}, must be at least 0", key, value));
  };
  not_negative("moe_expert_capacity_factor", routing.capacity_factor);
  not_negative("moe_load_skew", routing.skew);
  if (!std::isfinite(routing.imbalance) || (routing.imbalance != 0 && routing.imbalance < 1))
    add("ep", fmt::format("moe_load_imbalance is {}, must be at least 1: the fullest rank has the mean or more",
                          routing.imbalance));
  if (routing.capacity_factor > 0 && plan_.dispatcher == ExpertDispatcher::all_gather)
    add("ep", "moe_expert_capacity_factor excludes moe_token_dispatcher_type allgather");
  check_fullest_experts();
  if (routing.loads.empty()) return;
  if (!model_.moe)
    add("ep", "moe_expert_loads needs a mixture-of-experts model");
  else if (static_cast<std::int64_t>(routing.loads.size()) != model_.moe->experts)
    add("ep", fmt::format("moe_expert_loads has {} entries, but the model has {} routed experts", routing.loads.size(),
                          model_.moe->experts));
  const auto is_load = [](double load) { return std::isfinite(load) && load >= 0; };
  if (!std::all_of(routing.loads.begin(), routing.loads.end(), is_load) ||
      std::all_of(routing.loads.begin(), routing.loads.end(), [](double load) { return load == 0; }))
    add("ep", "moe_expert_loads must be finite, at least 0 and not all 0");
}

// No rank gets more than all the tokens, no expert more than each token once.
void PlanChecker::check_fullest_experts() {
  const ExpertRouting& routing = plan_.routing;
  const auto needs_experts = [this](bool given, const char* key) {
    if (given && !model_.moe) add("ep", fmt::format("{} needs a mixture-of-experts model", key));
  };
  needs_experts(routing.capacity_factor > 0, "moe_expert_capacity_factor");
  needs_experts(routing.imbalance > 0, "moe_load_imbalance");
  needs_experts(routing.skew > 0, "moe_load_skew");
  if (!model_.moe || model_.moe->top_k <= 0) return;
  if (plan_.expert_parallel > 0 && routing.imbalance > plan_.expert_parallel)
    add("ep",
        fmt::format("moe_load_imbalance {} is more than expert_model_parallel_size {}: the fullest rank would get "
                    "more than all tokens",
                    routing.imbalance, plan_.expert_parallel));
  const double most = static_cast<double>(model_.moe->experts) / static_cast<double>(model_.moe->top_k);
  if (routing.capacity_factor > most)
    add("ep",
        fmt::format("moe_expert_capacity_factor {} is more than {} experts / moe_router_topk {} = {:g}: an expert "
                    "would hold more than all tokens",
                    routing.capacity_factor, model_.moe->experts, model_.moe->top_k, most));
}

}  // namespace trainyard
