#include "sim/plan/plan_warnings.hpp"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace trainyard {
namespace {

class Warnings {
 public:
  // `given`: the user wrote the key; `because`: what makes it idle.
  void idle(bool given, std::string_view key, std::string_view because) {
    if (given) all_.push_back(fmt::format("{} has no effect {}", key, because));
  }
  void add(std::string warning) { all_.push_back(std::move(warning)); }
  std::vector<std::string> all() && { return std::move(all_); }

 private:
  std::vector<std::string> all_;
};

void warn_of_precision(const Workload& workload, Warnings& warnings) {
  const DataType precision = workload.precision;
  if (precision == DataType::fp32 || precision == DataType::tf32)
    warnings.add(
        fmt::format("precision {}: device profiles hold no rate for its matrix multiplications, which are timed "
                    "as 16-bit ones; a real step takes at least twice as long",
                    name(precision)));
  warnings.idle(workload.fp8_recipe != Fp8Recipe::delayed && precision != DataType::fp8, "fp8_recipe",
                fmt::format("with precision {}", name(precision)));
}

bool shards_parameters(DataParallelKind kind) {
  return kind == DataParallelKind::zero3 || kind == DataParallelKind::fsdp || kind == DataParallelKind::hsdp;
}

void warn_of_sharding(const Plan& plan, Warnings& warnings) {
  const Sharding &sharding = plan.sharding, usual;
  if (shards_parameters(plan.data_parallel_kind)) {
    const bool kept = sharding.reshard_after_forward && !*sharding.reshard_after_forward;
    warnings.idle(kept && sharding.secondary_group > 0, "zero_hpz_partition_size",
                  "with reshard_after_forward false: the backward gathers nothing");
    return;
  }
  const std::string because = fmt::format("with data_parallel {}", name(plan.data_parallel_kind));
  warnings.idle(sharding.reshard_after_forward.has_value(), "reshard_after_forward", because);
  warnings.idle(sharding.prefetch_units != usual.prefetch_units, "fsdp_prefetch_units", because);
  warnings.idle(!sharding.sync_every_micro_batch, "gradient_sync_every_micro_batch", because);
}

// Model FLOPs count every token, so that dropping lets the model FLOPs utilisation exceed 1.
void warn_of_dropping(const Plan& plan, const ModelShape& model, Warnings& warnings) {
  const double capacity = plan.routing.capacity_factor;
  if (!model.moe || capacity <= 0 || capacity >= 1) return;
  warnings.add(
      fmt::format("moe_expert_capacity_factor {:g} drops at least {:.0f} % of the routed tokens; model FLOPs and "
                  "MFU count them as if they were computed",
                  capacity, 100 * (1 - capacity)));
}

}  // namespace

std::vector<std::string> plan_warnings(const Plan& plan, const ModelShape& model, const Workload& workload) {
  Warnings warnings;
  warn_of_precision(workload, warnings);
  warn_of_sharding(plan, warnings);
  warn_of_dropping(plan, model, warnings);
  warnings.idle(plan.interleave_group > 0 && plan.schedule != "interleaved", "microbatch_group_size_per_vp_stage",
                fmt::format("with schedule {}", plan.schedule));
  warnings.idle(plan.optimizer_offload == OffloadTarget::none && plan.optimizer_offload_fraction != 1,
                "optimizer_offload_fraction", "without offload_optimizer");
  return std::move(warnings).all();
}

}  // namespace trainyard
