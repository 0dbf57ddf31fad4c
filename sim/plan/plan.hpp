// How a model is cut and trained: Megatron's parallelism arguments as one value. Names are Megatron's; YAML is read by
// plan_yaml, Megatron-LM command lines by megatron_args, legality is check_plan's matter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/training_choices.hpp"
#include "sim/base/hardware.hpp"

namespace trainyard {

enum class DataParallelKind { ddp, zero1, zero2, zero3, fsdp, hsdp };  // zero1 = Megatron's distributed optimizer
enum class RecomputeMethod { uniform, block };
enum class OffloadTarget { none, cpu, nvme };
enum class PlacementKind { packed, scatter, rail, explicit_list, device_list, optimize };

// The five axes of the dense and expert rank grids.
enum class Axis { tp, cp, ep, dp, pp };

// How parameters, gradients and optimizer states are sharded and exchanged beyond the kind (FSDP, ZeRO-3, HSDP,
// ZeRO++).
struct Sharding {
  // Ranks of dp x cp that share one copy of the states (HSDP); 0 = from `replicas`, else the whole data-parallel group.
  int group = 0;
  int replicas = 0;  // copies of the states (num_distributed_optimizer_instances); resolved() makes it a group
  // Free a unit's gathered parameters after its forward (FSDP2's reshard_after_forward); nullopt = yes, as ZeRO-3.
  std::optional<bool> reshard_after_forward = std::nullopt;
  int reshard_group = 0;               // > 1: reshard to this many ranks after forward instead (FSDP2's integer)
  bool sync_every_micro_batch = true;  // false: gradients stay unsharded until the last micro-batch (no_sync)
  int prefetch_units = 1;              // units gathered ahead
  int secondary_group = 0;             // ZeRO++ hpZ: backward gathers stay inside this many ranks; 0 = off
  bool quantized_weights = false;      // ZeRO++ qwZ: gathers in int8
  bool quantized_gradients = false;    // ZeRO++ qgZ: reductions in int4, by all-to-all
  std::int64_t reduce_bucket = 0;      // elements; 0 = the stack's (DeepSpeed reduce_bucket_size)
  friend bool operator==(const Sharding&, const Sharding&) = default;
};

// Which tokens the experts get.
struct ExpertRouting {
  double capacity_factor = 0;  // > 0: padded or dropped to this many times the mean; 0 = dropless
  double imbalance = 0;        // tokens of the fullest expert-parallel rank over the mean, as measured; 0 = from below
  std::vector<double> loads = {};  // measured tokens (any unit) per routed expert; empty = by `skew`
  double skew = 0;                 // standard deviation of the log of an expert's load, drawn with `seed`
  std::uint64_t seed = 0;
  friend bool operator==(const ExpertRouting&, const ExpertRouting&) = default;
};

// How layers spread over the pipeline where layers_per_chunk does not list them; resolved() makes the list.
struct PipelineEnds {
  std::optional<int> first_layers = std::nullopt;  // of the first pipeline rank (decoder_first_pipeline_num_layers)
  std::optional<int> last_layers = std::nullopt;   // of the last; the others share the rest evenly
  bool embedding_counts = false;  // as a layer of the first chunk (account_for_embedding_in_pipeline_split)
  bool loss_counts = false;       // as a layer of the last chunk (account_for_loss_in_pipeline_split)
  friend bool operator==(const PipelineEnds&, const PipelineEnds&) = default;
};

struct Plan {
  int tensor_parallel = 1;
  int pipeline_parallel = 1;
  int virtual_stages = 1;  // model chunks per pipeline rank (VPP)
  int data_parallel = 0;   // 0 = what is left of the cluster: world / (tp * cp * pp)
  int context_parallel = 1;
  int expert_parallel = 1;
  int expert_tensor_parallel = 0;  // 0 = tensor_parallel (Megatron's default)
  int micro_batch_size = 1;        // sequences
  int global_batch_size = 1;       // sequences
  bool sequence_parallel = false;
  std::string schedule = "1f1b";  // a row of sim/plan/schedule.hpp
  int interleave_group = 0;       // micro-batches per group of an interleaved schedule; 0 = pp
  DataParallelKind data_parallel_kind = DataParallelKind::ddp;
  Sharding sharding;
  Recompute recompute = Recompute::none;
  std::uint32_t recompute_modules = recompute_core_attn;  // of selective recomputation, a set of RecomputeModule
  RecomputeMethod recompute_method = RecomputeMethod::uniform;
  // Of full recomputation. block: this many layers of each model chunk recompute, the others keep their activations;
  // uniform: checkpoints are this many layers apart. 0 = every layer by itself.
  int recompute_layers = 0;
  // Layers of each model chunk in model order (pp * vpp entries, embedding on the first, head on the last);
  // empty = even, with k*pp*vpp-2 layers meaning one fewer on the first and on the last.
  std::vector<int> layers_per_chunk;
  PipelineEnds pipeline_ends;
  int prediction_chunk = -1;                  // chunk of the multi-token-prediction modules; -1 = the last
  std::string rank_order = "tp-cp-ep-dp-pp";  // fastest-varying axis first
  PlacementKind placement = PlacementKind::packed;
  std::vector<std::vector<int>> explicit_placement;  // per node, the local GPU indices in rank order (explicit_list)
  std::vector<int> placement_devices;                // global device of every rank (device_list)
  bool free_rank_order = false;                      // optimize may choose rank_order, which the user left open

  // Overlap switches; nullopt = the software stack's default.
  std::optional<bool> overlap_grad_reduce;
  std::optional<bool> overlap_param_gather;
  std::optional<bool> overlap_p2p;                                // asynchronous pipeline sends
  std::optional<bool> tp_comm_overlap;                            // userbuffers
  TpOverlapMethod tp_overlap_method = TpOverlapMethod::measured;  // of tp_comm_overlap
  std::optional<bool> async_tensor_parallel = {};  // PyTorch's symmetric-memory kernels, in the place of userbuffers
  std::optional<DataType> grad_reduce_type;        // fp32 or bf16 gradients on the wire and in the main gradient buffer

  ContextParallelKind context_parallel_kind = ContextParallelKind::ring;
  int context_parallel_inner = 0;              // all-to-all ranks of the hierarchical kind; 0 = those inside a node
  std::optional<ExpertDispatcher> dispatcher;  // nullopt = the stack's
  ExpertRouting routing;
  bool shared_expert_overlap = false;    // shared experts under dispatch and combine
  bool overlap_expert_parallel = false;  // a forward is paired with another micro-batch's backward (1f1b, interleaved)
  // Zero-bubble schedules check the gradient norm after the step instead of waiting for it; nullopt = they do.
  std::optional<bool> optimizer_post_validation;
  bool fp8_param_gather = false;  // parameters kept and gathered in 8 bit
  OffloadTarget optimizer_offload = OffloadTarget::none;
  double optimizer_offload_fraction = 1;
  int activation_offload_layers = 0;  // layers per stage whose activations wait in host memory
  std::optional<bool> cuda_graphs;    // nullopt = the stack's
  friend bool operator==(const Plan&, const Plan&) = default;
};

// What is trained on: shared by all plans of a comparison.
struct Workload {
  std::int64_t sequence_length = 0;
  DataType precision = DataType::bf16;
  Fp8Recipe fp8_recipe = Fp8Recipe::delayed;
  bool fp8_attention = false;
  std::int64_t document_length = 0;  // mean length of packed documents, which attend to themselves only; 0 = unpacked
  friend bool operator==(const Workload&, const Workload&) = default;
};

// The words users write: "1f1b", "zero1", "selective", "packed", "tp" … ; the readers return nullopt for any other
// word.
std::string name(DataParallelKind kind);
std::string name(Recompute recompute);
std::string name(PlacementKind kind);  // explicit_list is "explicit", device_list "devices"
std::string name(Axis axis);
std::string name(RecomputeMethod method);
std::string name(ContextParallelKind kind);     // Megatron's cp_comm_type: p2p, all_gather, a2a, a2a+p2p
std::string name(ExpertDispatcher dispatcher);  // alltoall, allgather, deepep
std::string name(Fp8Recipe recipe);
std::string name(OffloadTarget target);
std::string name(TpOverlapMethod method);
std::string name(RecomputeModule module);
std::optional<DataParallelKind> data_parallel_from(std::string_view text);  // also "distributed_optimizer" = zero1
std::optional<Recompute> recompute_from(std::string_view text);
std::optional<PlacementKind> placement_from(std::string_view text);
std::optional<Axis> axis_from(std::string_view text);
std::optional<RecomputeMethod> recompute_method_from(std::string_view text);
std::optional<ContextParallelKind> context_parallel_from(std::string_view text);
std::optional<ExpertDispatcher> dispatcher_from(std::string_view text);
std::optional<Fp8Recipe> fp8_recipe_from(std::string_view text);
std::optional<OffloadTarget> offload_from(std::string_view text);
std::optional<TpOverlapMethod> tp_overlap_method_from(std::string_view text);
std::optional<RecomputeModule> recompute_module_from(std::string_view text);
std::vector<std::string> data_parallel_names();
std::vector<std::string> recompute_names();
std::vector<std::string> placement_names();
std::vector<std::string> recompute_method_names();
std::vector<std::string> context_parallel_names();
std::vector<std::string> dispatcher_names();
std::vector<std::string> fp8_recipe_names();
std::vector<std::string> offload_names();
std::vector<std::string> tp_overlap_method_names();
std::vector<std::string> recompute_module_names();

// The axes of a rank order, fastest first; nullopt unless it names each of tp, cp, dp, pp once and ep at most once.
std::optional<std::vector<Axis>> axes_of(std::string_view rank_order);

// One line that tells any two different plans apart and never changes between runs; a key for result stores.
std::string canonical_key(const Plan& plan);

}  // namespace trainyard
