// The `plan:` and `workload:` mappings of a scenario. Keys are Megatron's argument names with underscores, with the
// short aliases tp pp vpp dp cp ep etp mbs gbs; what Megatron has no argument for follows DeepSpeed or torchtitan.
// workload:
//   sequence_length* (seq_length)  global_batch_size  precision  fp8_recipe
//   fp8_attention (fp8_dot_product_attention)
//   document_length               mean tokens of packed documents that attend to themselves only
// plan, beside the sizes:
//   schedule                      a row of sim/plan/schedule.hpp
//   microbatch_group_size_per_vp_stage, optimizer_post_validation
//   layers_per_chunk (pipeline_layout), or pipeline_model_parallel_layout ("Ett|(tt|)*5,m|L"), or what is known of the
//   ends: decoder_first/last_pipeline_num_layers, account_for_embedding/loss_in_pipeline_split
//   mtp_chunk                     model chunk of the multi-token-prediction modules
//   sequence_parallel, rank_order
//   placement                     packed | scatter | rail | optimize, or {explicit: [[local GPUs of node 0], …]}, or
//                                 {devices: [global device of rank 0, …]}; optimize without a rank_order chooses that,
//                                 too (analysis/placement)
//   cp_comm_type                  p2p | all_gather | a2a | a2a+p2p; hierarchical_context_parallel_sizes: [a2a, p2p]
//   moe_token_dispatcher_type, moe_expert_capacity_factor, moe_shared_expert_overlap, overlap_moe_expert_parallel_comm
//   moe_load_imbalance            fullest expert-parallel rank over the mean, or
//   moe_expert_loads              a list, or a file of numbers beside the scenario (sim/plan/expert_loads.hpp), or
//   moe_load_skew, moe_load_seed  standard deviation of the log of an expert's load
//   recompute_granularity, recompute_modules, recompute_method, recompute_num_layers
//   data_parallel, or use_distributed_optimizer
//   data_parallel_shard_degree    ranks of dp x cp that share one copy of the states, and
//   num_distributed_optimizer_instances (data_parallel_replicate_degree)   copies; one of them, or both
//   reshard_after_forward         true | false | FSDP2's number; fsdp_prefetch_units, gradient_sync_every_micro_batch
//   zero_hpz_partition_size, zero_quantized_weights, zero_quantized_gradients, reduce_bucket_size (elements)
//   offload_optimizer             none | cpu | nvme, or optimizer_cpu_offload; optimizer_offload_fraction
//   cpu_offloading_num_layers
//   overlap_grad_reduce, overlap_param_gather, overlap_p2p_comm, tp_comm_overlap, grad_reduce_in_fp32, cuda_graphs,
//   fp8_param_gather, tp_comm_overlap_method (measured | ring_exchange | pipeline), async_tensor_parallel
// All readers are strict: an unknown, repeated, mistyped or out-of-range key, two spellings of one setting and settings
// that contradict each other are an InputError that points at the key. Legality against model and cluster is
// check_plan's matter.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/yaml_reader.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard {

struct PlanAndWorkload {
  Plan plan;
  Workload workload;
  friend bool operator==(const PlanAndWorkload&, const PlanAndWorkload&) = default;
};

// Both mappings together: global_batch_size may stand in either, must stand in one, and must agree if in both.
// No plan mapping means the plan of one GPU per replica, all sizes 1.
PlanAndWorkload read_plan_and_workload(const std::optional<YamlValue>& plan, const YamlValue& workload);

// One mapping alone. A plan without global_batch_size gets the default of Plan; a workload's is checked and dropped.
// Without a `schedule` key it is interleaved when there are virtual stages, else 1f1b; a schedule whose stages hold two
// chunks brings them.
Plan read_plan(const YamlValue& plan);
Workload read_workload(const YamlValue& workload);

// Every spelling of a plan's key, the canonical one first; the key alone where it has no other.
std::vector<std::string> plan_key_spellings(std::string_view key);

// Where an override such as "plan.tp" goes in a scenario document: to the spelling and, for the global batch, the
// mapping that the document already uses, so that it replaces the setting instead of standing beside it.
std::string override_path(const YamlValue& scenario, const std::string& dotted_path);

// Both mappings as block YAML with canonical keys, `workload:` first; reading it gives back the same values.
// Settings left to a default (data_parallel_size, the overlap switches …) are left out.
std::string to_yaml(const Plan& plan, const Workload& workload);

}  // namespace trainyard
