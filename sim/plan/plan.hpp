// How a model is cut and trained: Megatron's parallelism arguments as one value. Names are Megatron's; YAML is read by
// plan_yaml, Megatron-LM command lines by megatron_args, legality is check_plan's matter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/hardware.hpp"

namespace trainyard {

enum class ScheduleKind { gpipe, one_f_one_b, interleaved, zb_h1, zb_h2, zb_v, dualpipe };
enum class DataParallelKind { ddp, zero1, zero2, zero3, fsdp, hsdp };  // zero1 = Megatron's distributed optimizer
enum class Recompute { none, selective, full };
enum class PlacementKind { packed, scatter, rail, explicit_list };

// The five axes of the dense and expert rank grids.
enum class Axis { tp, cp, ep, dp, pp };

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
  ScheduleKind schedule = ScheduleKind::one_f_one_b;
  DataParallelKind data_parallel_kind = DataParallelKind::ddp;
  Recompute recompute = Recompute::none;
  // Layers of each model chunk in model order (pp * vpp entries, embedding on the first, head on the last);
  // empty = even, with k*pp*vpp-2 layers meaning one fewer on the first and on the last.
  std::vector<int> layers_per_chunk;
  std::string rank_order = "tp-cp-ep-dp-pp";  // fastest-varying axis first
  PlacementKind placement = PlacementKind::packed;
  std::vector<std::vector<int>> explicit_placement;  // per node, the local GPU indices in rank order (explicit_list)

  // Overlap switches; nullopt = the software stack's default.
  std::optional<bool> overlap_grad_reduce;
  std::optional<bool> overlap_param_gather;
  std::optional<bool> overlap_p2p;           // asynchronous pipeline sends
  std::optional<bool> tp_comm_overlap;       // userbuffers
  std::optional<DataType> grad_reduce_type;  // fp32 or bf16 gradients on the wire and in the main gradient buffer
  friend bool operator==(const Plan&, const Plan&) = default;
};

// What is trained on: shared by all plans of a comparison.
struct Workload {
  std::int64_t sequence_length = 0;
  DataType precision = DataType::bf16;
  friend bool operator==(const Workload&, const Workload&) = default;
};

// The words users write: "1f1b", "zero1", "selective", "packed", "tp" … ; the readers return nullopt for any other
// word.
std::string name(ScheduleKind kind);
std::string name(DataParallelKind kind);
std::string name(Recompute recompute);
std::string name(PlacementKind kind);  // explicit_list is "explicit"
std::string name(Axis axis);
std::optional<ScheduleKind> schedule_from(std::string_view text);
std::optional<DataParallelKind> data_parallel_from(std::string_view text);  // also "distributed_optimizer" = zero1
std::optional<Recompute> recompute_from(std::string_view text);
std::optional<PlacementKind> placement_from(std::string_view text);
std::optional<Axis> axis_from(std::string_view text);
std::vector<std::string> schedule_names();
std::vector<std::string> data_parallel_names();
std::vector<std::string> recompute_names();
std::vector<std::string> placement_names();

// The axes of a rank order, fastest first; nullopt unless it names each of tp, cp, dp, pp once and ep at most once.
std::optional<std::vector<Axis>> axes_of(std::string_view rank_order);

// One line that tells any two different plans apart and never changes between runs; a key for result stores.
std::string canonical_key(const Plan& plan);

}  // namespace trainyard
