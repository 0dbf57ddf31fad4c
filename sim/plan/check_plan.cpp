#include "sim/plan/check_plan.hpp"

#include <fmt/format.h>

#include <cassert>

#include "sim/plan/layer_split.hpp"
#include "sim/plan/plan_checker.hpp"

namespace trainyard {
namespace {

// The neighbouring multiples of `step`: "96 or 112 would fit".
std::string multiples_around(std::int64_t value, std::int64_t step) {
  const std::int64_t below = value / step * step;
  if (below > saturated_count - step) return fmt::format("{} would fit", below);
  if (below == 0) return fmt::format("{} would fit", step);
  return fmt::format("{} or {} would fit", below, below + step);
}

}  // namespace

std::string count_text(std::int64_t n) { return n == saturated_count ? "far too many" : fmt::format("{}", n); }

bool PlanChecker::check_sizes() {
  const std::size_t before = problems_.size();
  const auto at_least = [this](const char* axis, const char* key, std::int64_t value, std::int64_t low) {
    if (value < low) add(axis, fmt::format("{} is {}, must be at least {}", key, value, low));
  };
  at_least("tp", "tensor_model_parallel_size", plan_.tensor_parallel, 1);
  at_least("pp", "pipeline_model_parallel_size", plan_.pipeline_parallel, 1);
  at_least("pp", "num_virtual_stages_per_pipeline_rank", plan_.virtual_stages, 1);
  at_least("cp", "context_parallel_size", plan_.context_parallel, 1);
  at_least("ep", "expert_model_parallel_size", plan_.expert_parallel, 1);
  at_least("batch", "micro_batch_size", plan_.micro_batch_size, 1);
  at_least("batch", "global_batch_size", plan_.global_batch_size, 1);
  if (plan_.data_parallel < 0)
    add("dp", fmt::format("data_parallel_size is {}, must be at least 1, or absent for what the cluster leaves",
                          plan_.data_parallel));
  if (plan_.expert_tensor_parallel < 0)
    add("etp", fmt::format("expert_tensor_parallel_size is {}, must be at least 1, or absent for "
                           "tensor_model_parallel_size",
                           plan_.expert_tensor_parallel));
  check_optional_sizes();
  const bool plan_is_positive = problems_.size() == before;
  at_least("sequence", "sequence_length", workload_.sequence_length, 1);
  at_least("model", "the model's number of layers", model_.layers, 1);
  at_least("model", "the model's hidden size", model_.hidden, 1);
  at_least("model", "the model's number of heads", model_.heads, 1);
  at_least("model", "the model's number of key-value heads", model_.kv_heads, 1);
  return plan_is_positive;
}

// Where 0 means "not given".
void PlanChecker::check_optional_sizes() {
  const auto not_negative = [this](const char* axis, const char* key, std::int64_t value) {
    if (value < 0) add(axis, fmt::format("{} is {}, must be at least 1, or absent", key, value));
  };
  const Sharding& sharding = plan_.sharding;
  not_negative("schedule", "microbatch_group_size_per_vp_stage", plan_.interleave_group);
  not_negative("cp", "the all-to-all part of hierarchical_context_parallel_sizes", plan_.context_parallel_inner);
  not_negative("recompute", "recompute_num_layers", plan_.recompute_layers);
  not_negative("offload", "cpu_offloading_num_layers", plan_.activation_offload_layers);
  not_negative("dp", "data_parallel_shard_degree", sharding.group);
  not_negative("dp", "num_distributed_optimizer_instances", sharding.replicas);
  not_negative("dp", "reshard_after_forward", sharding.reshard_group);
  not_negative("dp", "zero_hpz_partition_size", sharding.secondary_group);
  not_negative("dp", "reduce_bucket_size", sharding.reduce_bucket);
  if (sharding.prefetch_units < 0)
    add("dp", fmt::format("fsdp_prefetch_units is {}, must be at least 0", sharding.prefetch_units));
}

void PlanChecker::check_rank_order() {
  if (!axes_of(plan_.rank_order))
    add("placement", fmt::format("rank_order '{}' must name each of tp, cp, ep, dp, pp once, joined by '-', as in "
                                 "tp-cp-ep-dp-pp",
                                 plan_.rank_order));
}

void PlanChecker::check_world() {
  const std::int64_t world = world_size(), replica = ranks_per_replica();
  if (world == 0) return add("world", "the cluster has no GPUs");
  const std::string factors =
      fmt::format("tensor_model_parallel_size {} * context_parallel_size {} * pipeline_model_parallel_size {}",
                  plan_.tensor_parallel, plan_.context_parallel, plan_.pipeline_parallel);
  const std::string gpus = fmt::format("{} GPUs ({} nodes of {})", world, cluster_.nodes, cluster_.node.gpus.size());
  if (plan_.data_parallel == 0) {
    if (replica > world)
      add("world", fmt::format("{} needs {} GPUs, but the cluster has {}", factors, count_text(replica), gpus));
    else if (world % replica != 0)
      add("world", fmt::format("the cluster's {} are not divisible by {} = {} ({})", gpus, factors, replica,
                               multiples_around(world, replica)));
    return;
  }
  const std::int64_t needed = saturating_product({replica, plan_.data_parallel});
  if (needed == world) return;
  const std::string fit = replica <= world && world % replica == 0
                              ? fmt::format("data_parallel_size {} would fit", world / replica)
                              : std::string("no data_parallel_size would fit");
  add("world", fmt::format("{} * data_parallel_size {} = {} ranks, but the cluster has {}; {}", factors,
                           plan_.data_parallel, count_text(needed), gpus, fit));
}

void PlanChecker::check_batch() {
  const std::int64_t dp = data_parallel();
  if (dp == 0) {
    if (plan_.global_batch_size % plan_.micro_batch_size != 0)
      add("batch",
          fmt::format("global_batch_size {} is not divisible by micro_batch_size {} ({})", plan_.global_batch_size,
                      plan_.micro_batch_size, multiples_around(plan_.global_batch_size, plan_.micro_batch_size)));
    return;
  }
  const std::int64_t step = saturating_product({plan_.micro_batch_size, dp});
  if (plan_.global_batch_size % step != 0)
    return add("batch", fmt::format("global_batch_size {} is not divisible by micro_batch_size {} * data_parallel_size "
                                    "{} = {} ({})",
                                    plan_.global_batch_size, plan_.micro_batch_size, dp, count_text(step),
                                    multiples_around(plan_.global_batch_size, step)));
  const std::int64_t micro_batches = plan_.global_batch_size / step;
  if (saturating_product({micro_batches, model_chunks()}) > most_pipeline_passes)
    return add("batch",
               fmt::format("{} micro-batches through {} model chunks are more passes than are simulated (at most {})",
                           micro_batches, count_text(model_chunks()), most_pipeline_passes));
  if (schedule_fits_virtual_stages_) check_pipeline_shape(static_cast<int>(micro_batches));
}

void PlanChecker::check_explicit_placement() {
  if (plan_.placement != PlacementKind::explicit_list) return;
  const std::size_t gpus = cluster_.node.gpus.size();
  if (static_cast<std::int64_t>(plan_.explicit_placement.size()) != cluster_.nodes)
    add("placement", fmt::format("placement lists {} nodes, but the cluster has {}", plan_.explicit_placement.size(),
                                 cluster_.nodes));
  for (std::size_t node = 0; node < plan_.explicit_placement.size(); ++node) {
    const std::vector<int>& listed = plan_.explicit_placement[node];
    if (listed.size() != gpus)
      add("placement",
          fmt::format("placement lists {} GPUs for node {}, but a node has {}", listed.size(), node, gpus));
    std::vector<bool> seen(gpus, false);
    for (int gpu : listed) {
      if (gpu < 0 || static_cast<std::size_t>(gpu) >= gpus)
        add("placement", fmt::format("placement names GPU {} on node {}, but its GPUs are 0 to {}", gpu, node,
                                     static_cast<std::int64_t>(gpus) - 1));
      else if (seen[static_cast<std::size_t>(gpu)])
        add("placement", fmt::format("placement names GPU {} on node {} twice", gpu, node));
      else
        seen[static_cast<std::size_t>(gpu)] = true;
    }
  }
}

// A list of the right length with every device in range and none twice names each of them.
void PlanChecker::check_device_list() {
  if (plan_.placement != PlacementKind::device_list) return;
  const std::vector<int>& listed = plan_.placement_devices;
  const std::int64_t world = world_size();
  if (static_cast<std::int64_t>(listed.size()) != world)
    return add("placement",
               fmt::format("placement lists devices of {} ranks, but the cluster has {} GPUs", listed.size(), world));
  std::vector<int> rank_on(listed.size(), -1);
  for (std::size_t rank = 0; rank < listed.size(); ++rank) {
    const int device = listed[rank];
    if (device < 0 || device >= world)
      return add("placement", fmt::format("placement puts rank {} on device {}, but the cluster's are 0 to {}", rank,
                                          device, world - 1));
    int& first = rank_on[static_cast<std::size_t>(device)];
    if (first >= 0)
      return add("placement", fmt::format("placement puts ranks {} and {} on device {}", first, rank, device));
    first = static_cast<int>(rank);
  }
}

std::vector<PlanProblem> check_plan(const Plan& plan, const ModelShape& model, const Workload& workload,
                                    const Cluster& cluster) {
  return PlanChecker(plan, model, workload, cluster).problems();
}

Plan resolved(const Plan& plan, const ModelShape& model, const Cluster& cluster) {
  Plan full = plan;
  if (full.data_parallel == 0)
    full.data_parallel = cluster.world_size() / (plan.tensor_parallel * plan.context_parallel * plan.pipeline_parallel);
  if (full.expert_tensor_parallel == 0) full.expert_tensor_parallel = plan.tensor_parallel;
  if (full.sharding.group == 0 && full.sharding.replicas > 0)
    full.sharding.group = full.data_parallel * full.context_parallel / full.sharding.replicas;
  full.sharding.replicas = 0;
  if (full.layers_per_chunk.empty()) {
    std::optional<std::vector<int>> split =
        split_layers(model.layers, plan.pipeline_parallel, plan.virtual_stages, plan.pipeline_ends);
    assert(split);
    full.layers_per_chunk = std::move(*split);
  }
  full.pipeline_ends = {};
  return full;
}

}  // namespace trainyard
