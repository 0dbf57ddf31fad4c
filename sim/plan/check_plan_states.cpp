// The rules of plan_checker.hpp about what is kept where: sharding, recomputation, offloading, low precision.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/plan/layer_split.hpp"
#include "sim/plan/plan_checker.hpp"

namespace trainyard {

void PlanChecker::check_sharding() {
  // PipelineEngine of DeepSpeed refuses to shard parameters; FSDP2 under torchtitan's pipeline does not.
  if (plan_.data_parallel_kind == DataParallelKind::zero3 && plan_.pipeline_parallel > 1)
    add("dp", fmt::format("data_parallel zero3 excludes pipeline_model_parallel_size {}; use zero1, zero2 or fsdp",
                          plan_.pipeline_parallel));
  check_shard_groups();
  check_parameter_sharding();
}

void PlanChecker::check_shard_groups() {
  const Sharding& sharding = plan_.sharding;
  const std::int64_t dp = data_parallel();
  if (dp == 0) return;
  const std::int64_t ranks = saturating_product({dp, plan_.context_parallel});
  const std::string of = fmt::format("data_parallel_size {} * context_parallel_size {} = {}", dp,
                                     plan_.context_parallel, count_text(ranks));
  const std::int64_t group = sharding.group, replicas = sharding.replicas;
  if ((group > 0 || replicas > 1) && plan_.data_parallel_kind == DataParallelKind::ddp)
    add("dp",
        "data_parallel_shard_degree and num_distributed_optimizer_instances need data_parallel zero1, zero2, "
        "zero3, fsdp or hsdp");
  if (group > 0 && replicas > 0 && saturating_product({group, replicas}) != ranks)
    return add("dp", fmt::format("data_parallel_shard_degree {} * data_parallel_replicate_degree {} is not {}", group,
                                 replicas, of));
  if (group > 0 && ranks % group != 0)
    add("dp", fmt::format("data_parallel_shard_degree {} does not divide {}", group, of));
  if (replicas > 0 && ranks % replicas != 0)
    add("dp", fmt::format("num_distributed_optimizer_instances {} does not divide {}", replicas, of));
}

// What only makes sense where parameters are gathered before use.
void PlanChecker::check_parameter_sharding() {
  const Sharding& sharding = plan_.sharding;
  const auto needs_sharding = [this](bool given, const char* key) {
    if (given && !shards_parameters())
      add("dp", fmt::format("{} needs data_parallel zero3, fsdp or hsdp, not {}", key, name(plan_.data_parallel_kind)));
  };
  needs_sharding(sharding.reshard_group > 0, "reshard_after_forward with a number");
  needs_sharding(sharding.secondary_group > 0, "zero_hpz_partition_size");
  needs_sharding(sharding.quantized_weights, "zero_quantized_weights");
  needs_sharding(sharding.quantized_gradients, "zero_quantized_gradients");
  const std::int64_t dp = data_parallel();
  if (dp == 0 || !shards_parameters()) return;
  std::int64_t shards = saturating_product({dp, plan_.context_parallel});
  if (sharding.group > 0) shards = sharding.group;
  if (sharding.group == 0 && sharding.replicas > 0) shards /= sharding.replicas;
  const auto divides = [&](int part, const char* key) {
    if (part > 0 && shards % part != 0)
      add("dp", fmt::format("{} {} does not divide the {} ranks that share one copy of the parameters", key, part,
                            count_text(shards)));
  };
  divides(sharding.reshard_group, "reshard_after_forward");
  divides(sharding.secondary_group, "zero_hpz_partition_size");
}

void PlanChecker::check_recompute() {
  if (plan_.recompute != Recompute::full) {
    if (plan_.recompute_layers != 0) add("recompute", "recompute_num_layers needs recompute_granularity full");
    if (plan_.recompute_method != RecomputeMethod::uniform)
      add("recompute",
          fmt::format("recompute_method {} needs recompute_granularity full", name(plan_.recompute_method)));
  }
  if (plan_.recompute == Recompute::selective) return check_recompute_modules();
  if (plan_.recompute_modules != Plan{}.recompute_modules)
    add("recompute", "recompute_modules needs recompute_granularity selective");
}

void PlanChecker::check_recompute_modules() {
  if (plan_.recompute_modules == 0) add("recompute", "recompute_modules names no module");
  const auto needs = [this](RecomputeModule module, bool has, const char* what) {
    if ((plan_.recompute_modules & module) != 0 && !has)
      add("recompute", fmt::format("recompute_modules {} needs {}", name(module), what));
  };
  const bool shared = model_.moe && (model_.moe->shared_experts > 0 || model_.moe->shared_ffn > 0);
  needs(recompute_mla_up_proj, model_.latent_attention.has_value(), "multi-head latent attention");
  needs(recompute_moe, model_.moe.has_value(), "a mixture-of-experts model");
  needs(recompute_moe_act, model_.moe.has_value(), "a mixture-of-experts model");
  needs(recompute_shared_experts, shared, "a model with shared experts");
}

void PlanChecker::check_optimizer_offload() {
  const double fraction = plan_.optimizer_offload_fraction;
  if (!std::isfinite(fraction) || fraction <= 0 || fraction > 1)
    add("offload", fmt::format("optimizer_offload_fraction is {}, outside 0 to 1", fraction));
  // DeepSpeed reaches NVMe from stage 3 alone (ZeRO-Infinity).
  if (plan_.optimizer_offload == OffloadTarget::nvme && !shards_parameters())
    add("offload", fmt::format("offload_optimizer nvme needs data_parallel zero3, fsdp or hsdp, not {}",
                               name(plan_.data_parallel_kind)));
}

// Layers of the fullest pipeline stage; 0 where they cannot be counted (another rule says why).
std::int64_t PlanChecker::most_layers_per_stage() const {
  const ScheduleRow* row = find_schedule(plan_.schedule);
  if (!row || !schedule_fits_virtual_stages_ || model_chunks() > model_.layers + 2) return 0;
  std::optional<std::vector<int>> layers = plan_.layers_per_chunk;
  if (layers->empty())
    layers = split_layers(model_.layers, plan_.pipeline_parallel, plan_.virtual_stages, plan_.pipeline_ends);
  if (!layers || static_cast<std::int64_t>(layers->size()) != model_chunks()) return 0;
  const PipelineShape shape{.stages = plan_.pipeline_parallel, .chunks = row->chunks(plan_.virtual_stages)};
  std::int64_t most = 0;
  for (int stage = 0; stage < shape.stages; ++stage) {
    std::int64_t held = 0;
    for (int chunk = 0; chunk < shape.chunks; ++chunk)
      held += layers->at(static_cast<std::size_t>(row->place(shape, stage, chunk).model_stage));
    most = std::max(most, held);
  }
  return most;
}

void PlanChecker::check_activation_offload() {
  if (plan_.activation_offload_layers == 0) return;
  const std::int64_t most = most_layers_per_stage();
  if (most > 0 && plan_.activation_offload_layers > most)
    add("offload", fmt::format("cpu_offloading_num_layers {} is more than the {} layers of a pipeline stage",
                               plan_.activation_offload_layers, most));
}

void PlanChecker::check_low_precision() {
  if (workload_.fp8_attention && workload_.precision != DataType::fp8 && workload_.precision != DataType::nvfp4)
    add("precision", fmt::format("fp8_attention needs precision fp8 or nvfp4, not {}", name(workload_.precision)));
  if (!plan_.fp8_param_gather) return;
  if (workload_.precision != DataType::fp8) add("precision", "fp8_param_gather needs precision fp8");
  if (plan_.data_parallel_kind == DataParallelKind::ddp)
    add("precision", "fp8_param_gather needs a sharded data_parallel: with ddp no parameters are gathered");
}

}  // namespace trainyard
