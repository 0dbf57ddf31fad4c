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
  const bool plan_is_positive = problems_.size() == before;
  at_least("sequence", "sequence_length", workload_.sequence_length, 1);
  at_least("model", "the model's number of layers", model_.layers, 1);
  at_least("model", "the model's hidden size", model_.hidden, 1);
  at_least("model", "the model's number of heads", model_.heads, 1);
  at_least("model", "the model's number of key-value heads", model_.kv_heads, 1);
  return plan_is_positive;
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

void PlanChecker::check_schedule() {
  const bool v_shaped = plan_.schedule == ScheduleKind::zb_v || plan_.schedule == ScheduleKind::dualpipe;
  if (plan_.schedule == ScheduleKind::interleaved && plan_.virtual_stages == 1)
    add("schedule", "schedule interleaved needs num_virtual_stages_per_pipeline_rank > 1; with 1 it is 1f1b");
  if (plan_.schedule != ScheduleKind::interleaved && !v_shaped && plan_.virtual_stages > 1)
    add("schedule", fmt::format("num_virtual_stages_per_pipeline_rank {} needs schedule interleaved, not {}",
                                plan_.virtual_stages, name(plan_.schedule)));
  if (v_shaped && plan_.virtual_stages > 2)
    add("schedule", fmt::format("schedule {} has two chunks per rank, not num_virtual_stages_per_pipeline_rank {}",
                                name(plan_.schedule), plan_.virtual_stages));
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
    add("batch", fmt::format("{} micro-batches through {} model chunks are more passes than are simulated (at most {})",
                             micro_batches, count_text(model_chunks()), most_pipeline_passes));
  if (plan_.schedule == ScheduleKind::interleaved && plan_.virtual_stages > 1 &&
      micro_batches % plan_.pipeline_parallel != 0)
    add("schedule", fmt::format("{} micro-batches (global_batch_size {} / {}) are not divisible by "
                                "pipeline_model_parallel_size {}, which the interleaved schedule needs",
                                micro_batches, plan_.global_batch_size, step, plan_.pipeline_parallel));
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

void PlanChecker::check_supported() {
  if (plan_.context_parallel > 1)
    add_unsupported("cp", fmt::format("context_parallel_size {} is", plan_.context_parallel));
  if (plan_.expert_parallel > 1)
    add_unsupported("ep", fmt::format("expert_model_parallel_size {} is", plan_.expert_parallel));
  if (model_.moe) add_unsupported("model", "a mixture-of-experts model is");
  if (model_.latent_attention) add_unsupported("model", "multi-head latent attention is");
  switch (plan_.data_parallel_kind) {
    case DataParallelKind::ddp:
    case DataParallelKind::zero1:
      break;
    case DataParallelKind::zero2:
    case DataParallelKind::zero3:
    case DataParallelKind::fsdp:
    case DataParallelKind::hsdp:
      add_unsupported("dp", fmt::format("data_parallel {} is", name(plan_.data_parallel_kind)));
  }
  switch (plan_.schedule) {
    case ScheduleKind::gpipe:
    case ScheduleKind::one_f_one_b:
    case ScheduleKind::interleaved:
      break;
    case ScheduleKind::zb_h1:
    case ScheduleKind::zb_h2:
    case ScheduleKind::zb_v:
    case ScheduleKind::dualpipe:
      add_unsupported("schedule", fmt::format("schedule {} is", name(plan_.schedule)));
  }
  if (workload_.precision == DataType::fp8) add_unsupported("precision", "fp8 precision is");
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
  if (full.layers_per_chunk.empty()) {
    std::optional<std::vector<int>> split = split_layers(model.layers, plan.pipeline_parallel * plan.virtual_stages);
    assert(split);
    full.layers_per_chunk = std::move(*split);
  }
  return full;
}

}  // namespace trainyard
