#include "sim/plan/plan_yaml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <vector>

namespace trainyard {
namespace {

constexpr long long largest_size = std::numeric_limits<int>::max();

using Spellings = std::vector<std::string_view>;

// Canonical key first.
const std::array<Spellings, 10> alias_groups = {{{"tensor_model_parallel_size", "tp"},
                                                 {"pipeline_model_parallel_size", "pp"},
                                                 {"num_virtual_stages_per_pipeline_rank", "vpp"},
                                                 {"data_parallel_size", "dp"},
                                                 {"context_parallel_size", "cp"},
                                                 {"expert_model_parallel_size", "ep"},
                                                 {"expert_tensor_parallel_size", "etp"},
                                                 {"micro_batch_size", "mbs"},
                                                 {"global_batch_size", "gbs"},
                                                 {"layers_per_chunk", "pipeline_layout"}}};

const Spellings& spellings_of(std::string_view key) {
  for (const Spellings& group : alias_groups)
    if (std::find(group.begin(), group.end(), key) != group.end()) return group;
  static const Spellings none;
  return none;
}

int size_of(const YamlValue& value) { return static_cast<int>(value.as_int(1, largest_size)); }

void read_size(YamlMapping& mapping, const Spellings& spellings, int& size) {
  if (const auto value = mapping.optional_of(spellings)) size = size_of(*value);
}

void read_switch(YamlMapping& mapping, std::string_view key, std::optional<bool>& on) {
  if (const auto value = mapping.optional(key)) on = value->as_bool();
}

std::optional<YamlValue> global_batch(YamlMapping& mapping) { return mapping.optional_of(spellings_of("gbs")); }

void read_sizes(YamlMapping& mapping, Plan& plan) {
  read_size(mapping, spellings_of("tp"), plan.tensor_parallel);
  read_size(mapping, spellings_of("pp"), plan.pipeline_parallel);
  read_size(mapping, spellings_of("vpp"), plan.virtual_stages);
  read_size(mapping, spellings_of("dp"), plan.data_parallel);
  read_size(mapping, spellings_of("cp"), plan.context_parallel);
  read_size(mapping, spellings_of("ep"), plan.expert_parallel);
  read_size(mapping, spellings_of("etp"), plan.expert_tensor_parallel);
  read_size(mapping, spellings_of("mbs"), plan.micro_batch_size);
}

void read_data_parallel_kind(YamlMapping& mapping, Plan& plan) {
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

void read_layers(YamlMapping& mapping, Plan& plan) {
  const auto layers = mapping.optional_of(spellings_of("layers_per_chunk"));
  if (!layers) return;
  for (const YamlValue& entry : layers->as_sequence())
    plan.layers_per_chunk.push_back(static_cast<int>(entry.as_int(0, largest_size)));
  if (plan.layers_per_chunk.empty()) layers->fail(fmt::format("{} is empty", layers->path()), "leave it out");
}

void read_rank_order(YamlMapping& mapping, Plan& plan) {
  const auto order = mapping.optional("rank_order");
  if (!order) return;
  plan.rank_order = order->as_string();
  if (!axes_of(plan.rank_order))
    order->fail(fmt::format("rank_order '{}' must name each of tp, cp, ep, dp, pp once", plan.rank_order),
                "fastest-varying axis first, as in tp-cp-ep-dp-pp");
}

void read_placement(YamlMapping& mapping, Plan& plan) {
  const auto placement = mapping.optional("placement");
  if (!placement) return;
  if (!placement->is_map()) {
    plan.placement = *placement_from(placement->as_choice(placement_names()));
    if (plan.placement == PlacementKind::explicit_list)
      placement->fail("placement explicit needs its lists", "write {explicit: [[0, 1, …], …]}, one list per node");
    return;
  }
  YamlMapping lists(*placement);
  plan.placement = PlacementKind::explicit_list;
  for (const YamlValue& node : lists.required("explicit").as_sequence()) {
    std::vector<int>& gpus = plan.explicit_placement.emplace_back();
    for (const YamlValue& gpu : node.as_sequence()) gpus.push_back(static_cast<int>(gpu.as_int(0, largest_size)));
  }
  lists.finish();
}

void read_overlap(YamlMapping& mapping, Plan& plan) {
  read_switch(mapping, "overlap_grad_reduce", plan.overlap_grad_reduce);
  read_switch(mapping, "overlap_param_gather", plan.overlap_param_gather);
  read_switch(mapping, "overlap_p2p_comm", plan.overlap_p2p);
  read_switch(mapping, "tp_comm_overlap", plan.tp_comm_overlap);
  if (const auto fp32 = mapping.optional("grad_reduce_in_fp32"))
    plan.grad_reduce_type = fp32->as_bool() ? DataType::fp32 : DataType::bf16;
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
  if (const auto on = mapping.optional("sequence_parallel")) plan.sequence_parallel = on->as_bool();
  plan.schedule = plan.virtual_stages > 1 ? ScheduleKind::interleaved : ScheduleKind::one_f_one_b;
  if (const auto kind = mapping.optional("schedule")) plan.schedule = *schedule_from(kind->as_choice(schedule_names()));
  read_data_parallel_kind(mapping, plan);
  if (const auto kind = mapping.optional("recompute_granularity"))
    plan.recompute = *recompute_from(kind->as_choice(recompute_names()));
  read_layers(mapping, plan);
  read_rank_order(mapping, plan);
  read_placement(mapping, plan);
  read_overlap(mapping, plan);
  mapping.finish();
  return text;
}

struct WorkloadText {
  Workload workload;
  std::optional<YamlValue> global_batch;
};

WorkloadText read_workload_text(const YamlValue& value) {
  WorkloadText text;
  YamlMapping mapping(value);
  const auto length = mapping.optional_of({"sequence_length", "seq_length"});
  if (!length) mapping.value().fail("missing key 'sequence_length' in " + value.path(), "tokens per sequence");
  text.workload.sequence_length = length->as_int(1, std::numeric_limits<int>::max());
  text.global_batch = global_batch(mapping);
  if (text.global_batch) size_of(*text.global_batch);
  if (const auto precision = mapping.optional("precision"))
    text.workload.precision = *data_type_from(precision->as_choice({"fp32", "tf32", "bf16", "fp16", "fp8"}));
  mapping.finish();
  return text;
}

std::string overlap_yaml(const Plan& plan) {
  std::string text;
  const auto line = [&text](const char* key, std::optional<bool> on) {
    if (on) text += fmt::format("  {}: {}\n", key, *on);
  };
  line("overlap_grad_reduce", plan.overlap_grad_reduce);
  line("overlap_param_gather", plan.overlap_param_gather);
  line("overlap_p2p_comm", plan.overlap_p2p);
  line("tp_comm_overlap", plan.tp_comm_overlap);
  if (plan.grad_reduce_type) line("grad_reduce_in_fp32", *plan.grad_reduce_type == DataType::fp32);
  return text;
}

std::string placement_yaml(const Plan& plan) {
  if (plan.placement != PlacementKind::explicit_list) return name(plan.placement);
  std::vector<std::string> nodes;
  for (const std::vector<int>& gpus : plan.explicit_placement)
    nodes.push_back(fmt::format("[{}]", fmt::join(gpus, ", ")));
  return fmt::format("{{explicit: [{}]}}", fmt::join(nodes, ", "));
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

std::string to_yaml(const Plan& plan, const Workload& workload) {
  std::string text = fmt::format("workload:\n  sequence_length: {}\n  global_batch_size: {}\n  precision: {}\n",
                                 workload.sequence_length, plan.global_batch_size, name(workload.precision));
  text += "plan:\n";
  const auto line = [&text](const char* key, const auto& value) { text += fmt::format("  {}: {}\n", key, value); };
  line("tensor_model_parallel_size", plan.tensor_parallel);
  line("pipeline_model_parallel_size", plan.pipeline_parallel);
  line("num_virtual_stages_per_pipeline_rank", plan.virtual_stages);
  if (plan.data_parallel > 0) line("data_parallel_size", plan.data_parallel);
  line("context_parallel_size", plan.context_parallel);
  line("expert_model_parallel_size", plan.expert_parallel);
  if (plan.expert_tensor_parallel > 0) line("expert_tensor_parallel_size", plan.expert_tensor_parallel);
  line("micro_batch_size", plan.micro_batch_size);
  line("schedule", name(plan.schedule));
  line("sequence_parallel", plan.sequence_parallel);
  line("data_parallel", name(plan.data_parallel_kind));
  line("recompute_granularity", name(plan.recompute));
  if (!plan.layers_per_chunk.empty())
    line("layers_per_chunk", fmt::format("[{}]", fmt::join(plan.layers_per_chunk, ", ")));
  line("rank_order", plan.rank_order);
  line("placement", placement_yaml(plan));
  return text + overlap_yaml(plan);
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
  for (const std::string_view spelling : spellings_of(key))
    for (const char* part : {"plan", "workload"}) {
      if (std::string_view(part) == "workload" && spellings_of(key).back() != "gbs")
        continue;  // the one key both may hold
      if (stands_in(part, spelling)) return fmt::format("{}.{}", part, spelling);
    }
  return dotted_path;
}

}  // namespace trainyard
