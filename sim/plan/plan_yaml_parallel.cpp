// The data-, context- and expert-parallel keys of plan_yaml_parts.hpp, and those of offloading.
#include <fmt/format.h>

#include <limits>

#include "models/check_shape.hpp"
#include "sim/plan/expert_loads.hpp"
#include "sim/plan/plan_yaml_parts.hpp"

namespace trainyard::plan_keys {
namespace {

constexpr long long largest_count = std::numeric_limits<std::int64_t>::max();

// Far above any router's (the fullest of a million experts), far below overflow.
constexpr double largest_factor = 1e6;
// Loads e^20 = 5e8 apart one standard deviation: beyond it every token goes to one expert.
constexpr double largest_skew = 20;

void read_kind(YamlMapping& mapping, Plan& plan) {
  const auto kind = mapping.optional("data_parallel");
  if (kind) plan.data_parallel_kind = *data_parallel_from(kind->as_choice(data_parallel_names()));
  const auto distributed = mapping.optional("use_distributed_optimizer");
  if (!distributed) return;
  const bool on = distributed->as_bool();
  if (!kind) {
    if (on) plan.data_parallel_kind = DataParallelKind::zero1;
  } else if (on == (plan.data_parallel_kind == DataParallelKind::ddp)) {
    distributed->fail(
        fmt::format("use_distributed_optimizer {} contradicts data_parallel {}", on, name(plan.data_parallel_kind)),
        "one of the two is enough");
  }
}

// true, false, or FSDP2's integer.
void read_reshard(const YamlValue& value, Sharding& sharding) {
  const std::string text = value.as_string();
  if (text.find_first_of("0123456789") != std::string::npos)
    sharding.reshard_group = static_cast<int>(value.as_int(2, std::numeric_limits<int>::max()));
  else
    sharding.reshard_after_forward = value.as_bool();
}

void read_sharding(YamlMapping& mapping, Sharding& sharding) {
  read_size(mapping, {"num_distributed_optimizer_instances", "data_parallel_replicate_degree"}, sharding.replicas);
  read_size(mapping, {"data_parallel_shard_degree"}, sharding.group);
  if (const auto reshard = mapping.optional("reshard_after_forward")) read_reshard(*reshard, sharding);
  if (const auto units = mapping.optional("fsdp_prefetch_units"))
    sharding.prefetch_units = static_cast<int>(units->as_int(0, max_model_layers));
  read_flag(mapping, "gradient_sync_every_micro_batch", sharding.sync_every_micro_batch);
  read_size(mapping, {"zero_hpz_partition_size"}, sharding.secondary_group);
  if (sharding.secondary_group == 1) sharding.secondary_group = 0;  // DeepSpeed's "off"
  read_flag(mapping, "zero_quantized_weights", sharding.quantized_weights);
  read_flag(mapping, "zero_quantized_gradients", sharding.quantized_gradients);
  if (const auto bucket = mapping.optional("reduce_bucket_size"))
    sharding.reduce_bucket = bucket->as_int(1, largest_count);
}

void read_inner_sizes(const YamlValue& sizes, Plan& plan) {
  const std::vector<YamlValue> parts = sizes.as_sequence();
  if (parts.size() != 2)
    sizes.fail(fmt::format("{} has {} entries", sizes.path(), parts.size()), "[all-to-all ranks, ring ranks]");
  const int inner = size_of(parts[0]);
  const std::int64_t product = std::int64_t{inner} * size_of(parts[1]);
  if (plan.context_parallel_kind != ContextParallelKind::hierarchical)
    sizes.fail(fmt::format("{} needs cp_comm_type: a2a+p2p", sizes.path()));
  if (product != plan.context_parallel)
    sizes.fail(fmt::format("{} multiply to {}, but context_parallel_size is {}", sizes.path(), product,
                           plan.context_parallel));
  plan.context_parallel_inner = inner;
}

void read_routing(YamlMapping& mapping, ExpertRouting& routing) {
  if (const auto factor = mapping.optional("moe_expert_capacity_factor"))
    routing.capacity_factor = positive_number(*factor, largest_factor);
  const auto imbalance = mapping.optional("moe_load_imbalance");
  if (imbalance) routing.imbalance = imbalance->as_number(1, largest_factor);
  const auto loads = mapping.optional("moe_expert_loads");
  if (loads) routing.loads = read_expert_loads(*loads);
  const auto skew = mapping.optional("moe_load_skew");
  if (skew) routing.skew = skew->as_number(0, largest_skew);
  if (const auto seed = mapping.optional("moe_load_seed"))
    routing.seed = static_cast<std::uint64_t>(seed->as_int(0, largest_count));
  const int sources = (imbalance ? 1 : 0) + (loads ? 1 : 0) + (skew ? 1 : 0);
  if (sources > 1)
    (skew ? skew : loads)
        ->fail("moe_load_imbalance, moe_expert_loads and moe_load_skew each say how full experts are",
               "one of them is enough");
}

}  // namespace

int size_of(const YamlValue& value) { return static_cast<int>(value.as_int(1, std::numeric_limits<int>::max())); }

void read_size(YamlMapping& mapping, const std::vector<std::string_view>& spellings, int& size) {
  if (const auto value = mapping.optional_of(spellings)) size = size_of(*value);
}

void read_flag(YamlMapping& mapping, std::string_view key, bool& on) {
  if (const auto value = mapping.optional(key)) on = value->as_bool();
}

void read_switch(YamlMapping& mapping, std::string_view key, std::optional<bool>& on) {
  if (const auto value = mapping.optional(key)) on = value->as_bool();
}

double positive_number(const YamlValue& value, double high) {
  const double number = value.as_number(0, high);
  if (number == 0) value.fail(fmt::format("{} is 0, must be above", value.path()), "leave it out to switch it off");
  return number;
}

void read_data_parallel(YamlMapping& mapping, Plan& plan) {
  read_kind(mapping, plan);
  read_sharding(mapping, plan.sharding);
}

void read_context_parallel(YamlMapping& mapping, Plan& plan) {
  if (const auto kind = mapping.optional("cp_comm_type"))
    plan.context_parallel_kind = *context_parallel_from(kind->as_choice(context_parallel_names()));
  if (const auto sizes = mapping.optional("hierarchical_context_parallel_sizes")) read_inner_sizes(*sizes, plan);
}

void read_experts(YamlMapping& mapping, Plan& plan) {
  if (const auto dispatcher = mapping.optional("moe_token_dispatcher_type"))
    plan.dispatcher = dispatcher_from(dispatcher->as_choice(dispatcher_names()));
  read_routing(mapping, plan.routing);
  read_flag(mapping, "moe_shared_expert_overlap", plan.shared_expert_overlap);
  read_flag(mapping, "overlap_moe_expert_parallel_comm", plan.overlap_expert_parallel);
}

void read_offload(YamlMapping& mapping, Plan& plan) {
  const auto target = mapping.optional("offload_optimizer");
  if (target) plan.optimizer_offload = *offload_from(target->as_choice(offload_names()));
  const auto cpu = mapping.optional("optimizer_cpu_offload");
  if (cpu) {
    const OffloadTarget said = cpu->as_bool() ? OffloadTarget::cpu : OffloadTarget::none;
    if (target && plan.optimizer_offload != said)
      cpu->fail(fmt::format("optimizer_cpu_offload {} contradicts offload_optimizer {}", cpu->as_bool(),
                            name(plan.optimizer_offload)),
                "one of the two is enough");
    plan.optimizer_offload = said;
  }
  if (const auto fraction = mapping.optional("optimizer_offload_fraction"))
    plan.optimizer_offload_fraction = positive_number(*fraction, 1);
  if (const auto layers = mapping.optional("cpu_offloading_num_layers"))
    plan.activation_offload_layers = static_cast<int>(layers->as_int(0, max_model_layers));
}

}  // namespace trainyard::plan_keys
