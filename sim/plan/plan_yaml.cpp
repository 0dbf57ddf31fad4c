#include "sim/plan/plan_yaml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <vector>

#include "sim/plan/plan_yaml_parts.hpp"

namespace trainyard {
namespace {

using namespace plan_keys;

constexpr int largest_size = std::numeric_limits<int>::max();

using Spellings = std::vector<std::string_view>;

// Settings with several spellings, the canonical key first.
const std::array<Spellings, 10> plan_aliases = {
    {{"tensor_model_parallel_size", "tp"},
     {"pipeline_model_parallel_size", "pp"},
     {"num_virtual_stages_per_pipeline_rank", "vpp"},
     {"data_parallel_size", "dp"},
     {"context_parallel_size", "cp"},
     {"expert_model_parallel_size", "ep"},
     {"expert_tensor_parallel_size", "etp"},
     {"micro_batch_size", "mbs"},
     {"layers_per_chunk", "pipeline_layout"},
     {"num_distributed_optimizer_instances", "data_parallel_replicate_degree"}}};
const std::array<Spellings, 2> workload_aliases = {
    {{"sequence_length", "seq_length"}, {"fp8_attention", "fp8_dot_product_attention"}}};
const Spellings global_batch_aliases = {"global_batch_size", "gbs"};

template <class Groups>
Spellings spellings_in(const Groups& groups, std::string_view key) {
  for (const Spellings& group : groups)
    if (std::find(group.begin(), group.end(), key) != group.end()) return group;
  return {};
}

Spellings spellings_of(std::string_view key) { return spellings_in(plan_aliases, key); }

std::optional<YamlValue> global_batch(YamlMapping& mapping) { return mapping.optional_of(global_batch_aliases); }

void read_sizes(YamlMapping& mapping, Plan& plan) {
  read_size(mapping, spellings_of("tp"), plan.tensor_parallel);
  read_size(mapping, spellings_of("pp"), plan.pipeline_parallel);
  read_size(mapping, spellings_of("dp"), plan.data_parallel);
  read_size(mapping, spellings_of("cp"), plan.context_parallel);
  read_size(mapping, spellings_of("ep"), plan.expert_parallel);
  read_size(mapping, spellings_of("etp"), plan.expert_tensor_parallel);
  read_size(mapping, spellings_of("mbs"), plan.micro_batch_size);
}

void read_rank_order(YamlMapping& mapping, Plan& plan) {
  const auto order = mapping.optional("rank_order");
  if (!order) return;
  plan.rank_order = order->as_string();
  if (!axes_of(plan.rank_order))
    order->fail(fmt::format("rank_order '{}' must name each of tp, cp, ep, dp, pp once", plan.rank_order),
                "fastest-varying axis first, as in tp-cp-ep-dp-pp");
}

std::vector<int> indices_of(const YamlValue& list) {
  std::vector<int> indices;
  for (const YamlValue& index : list.as_sequence()) indices.push_back(static_cast<int>(index.as_int(0, largest_size)));
  return indices;
}

void read_placement_lists(const YamlValue& placement, Plan& plan) {
  YamlMapping lists(placement);
  const auto devices = lists.optional("devices");
  if (devices) {
    if (const auto both = lists.optional("explicit"))
      both->fail("placement is either explicit or devices", "one of the two is enough");
    plan.placement = PlacementKind::device_list;
    plan.placement_devices = indices_of(*devices);
  } else {
    plan.placement = PlacementKind::explicit_list;
    for (const YamlValue& node : lists.required("explicit").as_sequence())
      plan.explicit_placement.push_back(indices_of(node));
  }
  lists.finish();
}

void read_placement(YamlMapping& mapping, Plan& plan) {
  const auto placement = mapping.optional("placement");
  if (!placement) return;
  if (!placement->is_map()) {
    plan.placement = *placement_from(placement->as_choice(placement_names()));
    if (plan.placement == PlacementKind::explicit_list)
      placement->fail("placement explicit needs its lists", "write {explicit: [[0, 1, …], …]}, one list per node");
    if (plan.placement == PlacementKind::device_list)
      placement->fail("placement devices needs its list", "write {devices: [0, 8, 1, …]}, the device of every rank");
    plan.free_rank_order = plan.placement == PlacementKind::optimize && !mapping.optional("rank_order");
    return;
  }
  read_placement_lists(*placement, plan);
}

void read_stack_switches(YamlMapping& mapping, Plan& plan) {
  read_switch(mapping, "overlap_grad_reduce", plan.overlap_grad_reduce);
  read_switch(mapping, "overlap_param_gather", plan.overlap_param_gather);
  read_switch(mapping, "overlap_p2p_comm", plan.overlap_p2p);
  read_switch(mapping, "tp_comm_overlap", plan.tp_comm_overlap);
  if (const auto method = mapping.optional("tp_comm_overlap_method"))
    plan.tp_overlap_method = *tp_overlap_method_from(method->as_choice(tp_overlap_method_names()));
  if (const auto async = mapping.optional("async_tensor_parallel")) {
    plan.async_tensor_parallel = async->as_bool();
    if (*plan.async_tensor_parallel && plan.tp_comm_overlap.value_or(false))
      async->fail("async_tensor_parallel and tp_comm_overlap exclude each other", "one of the two is enough");
  }
  read_switch(mapping, "cuda_graphs", plan.cuda_graphs);
  if (const auto fp32 = mapping.optional("grad_reduce_in_fp32"))
    plan.grad_reduce_type = fp32->as_bool() ? DataType::fp32 : DataType::bf16;
  read_flag(mapping, "fp8_param_gather", plan.fp8_param_gather);
}

// A plan, with its global batch as written (for comparison with the workload's).
struct PlanText {
  Plan plan;
  std::optional<YamlValue> global_batch;
};

PlanText read_plan_text(const YamlValue& value) {
  PlanText text;
  Plan& plan = text.plan;
  YamlMapping mapping(value);
  read_sizes(mapping, plan);
  text.global_batch = global_batch(mapping);
  if (text.global_batch) plan.global_batch_size = size_of(*text.global_batch);
  read_flag(mapping, "sequence_parallel", plan.sequence_parallel);
  read_pipeline(mapping, plan);
  read_data_parallel(mapping, plan);
  read_context_parallel(mapping, plan);
  read_experts(mapping, plan);
  read_recompute(mapping, plan);
  read_offload(mapping, plan);
  read_rank_order(mapping, plan);
  read_placement(mapping, plan);
  read_stack_switches(mapping, plan);
  mapping.finish();
  return text;
}

struct WorkloadText {
  Workload workload;
  std::optional<YamlValue> global_batch;
};

void read_precision(YamlMapping& mapping, Workload& workload) {
  if (const auto precision = mapping.optional("precision"))
    workload.precision = *data_type_from(precision->as_choice({"fp32", "tf32", "bf16", "fp16", "fp8", "nvfp4"}));
  if (const auto recipe = mapping.optional("fp8_recipe"))
    workload.fp8_recipe = *fp8_recipe_from(recipe->as_choice(fp8_recipe_names()));
  if (const auto attention = mapping.optional_of(spellings_in(workload_aliases, "fp8_attention")))
    workload.fp8_attention = attention->as_bool();
}

WorkloadText read_workload_text(const YamlValue& value) {
  WorkloadText text;
  YamlMapping mapping(value);
  const auto length = mapping.optional_of(spellings_in(workload_aliases, "sequence_length"));
  if (!length) mapping.value().fail("missing key 'sequence_length' in " + value.path(), "tokens per sequence");
  text.workload.sequence_length = length->as_int(1, std::numeric_limits<int>::max());
  text.global_batch = global_batch(mapping);
  if (text.global_batch) size_of(*text.global_batch);
  read_precision(mapping, text.workload);
  if (const auto documents = mapping.optional("document_length"))
    text.workload.document_length = documents->as_int(1, std::numeric_limits<int>::max());
  mapping.finish();
  return text;
}

}  // namespace

PlanAndWorkload read_plan_and_workload(const std::optional<YamlValue>& plan_value, const YamlValue& workload_value) {
  PlanText plan = plan_value ? read_plan_text(*plan_value) : PlanText{};
  const WorkloadText workload = read_workload_text(workload_value);
  if (!plan.global_batch && !workload.global_batch)
    workload_value.fail("missing key 'global_batch_size' in " + workload_value.path(), "sequences per step");
  if (workload.global_batch) {
    const int sequences = size_of(*workload.global_batch);
    if (plan.global_batch && plan.plan.global_batch_size != sequences)
      plan.global_batch->fail(fmt::format("{} is {}, but {} is {}", plan.global_batch->path(),
                                          plan.plan.global_batch_size, workload.global_batch->path(), sequences),
                              "one of the two is enough");
    plan.plan.global_batch_size = sequences;
  }
  return {plan.plan, workload.workload};
}

Plan read_plan(const YamlValue& plan) { return read_plan_text(plan).plan; }

Workload read_workload(const YamlValue& workload) { return read_workload_text(workload).workload; }

std::vector<std::string> plan_key_spellings(std::string_view key) {
  const bool batch =
      std::find(global_batch_aliases.begin(), global_batch_aliases.end(), key) != global_batch_aliases.end();
  const Spellings spellings = batch ? global_batch_aliases : spellings_of(key);
  if (spellings.empty()) return {std::string(key)};
  return {spellings.begin(), spellings.end()};
}

std::string override_path(const YamlValue& scenario, const std::string& dotted_path) {
  constexpr std::string_view in_plan = "plan.", in_workload = "workload.";
  const bool plan = dotted_path.starts_with(in_plan);
  if (!plan && !dotted_path.starts_with(in_workload)) return dotted_path;
  const std::string key = dotted_path.substr(plan ? in_plan.size() : in_workload.size());
  const auto stands_in = [&](const char* part, std::string_view spelling) {
    const YAML::Node mapping = scenario.node()[part];
    return mapping.IsDefined() && mapping.IsMap() && mapping[std::string(spelling)].IsDefined();
  };
  // The one setting that both mappings may hold.
  const bool batch =
      std::find(global_batch_aliases.begin(), global_batch_aliases.end(), key) != global_batch_aliases.end();
  if (batch)
    for (const char* part : {"plan", "workload"})
      for (const std::string_view spelling : global_batch_aliases)
        if (stands_in(part, spelling)) return fmt::format("{}.{}", part, spelling);
  const char* const part = plan ? "plan" : "workload";
  for (const std::string_view spelling : plan ? spellings_of(key) : spellings_in(workload_aliases, key))
    if (stands_in(part, spelling)) return fmt::format("{}.{}", part, spelling);
  return dotted_path;
}

}  // namespace trainyard
