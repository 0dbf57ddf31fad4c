// Sorts the kernels of a GPU by their names, as CUPTI spells them, into the categories of the cost models. The
// families: cuBLAS, cuBLASLt, CUTLASS and hipBLASLt GEMMs; flash-attn, cuDNN and xFormers attention; ATen, Apex,
// Transformer Engine, Triton and Inductor kernels; NCCL, RCCL, DeepEP and userbuffers communication.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "analysis/trace/real_work.hpp"

namespace trainyard {

// "allreduce", "_allgather_base", "all_to_allv", "send", "ncclDevKernel_ReduceScatter_Sum_f32_RING_LL(…)".
std::optional<CollectiveKind> traced_collective(std::string_view name);

// From a process group's description: Megatron's ("TENSOR_MODEL_PARALLEL_GROUP", "EXPERT_DATA_PARALLEL_GROUP") and that
// of a PyTorch device mesh ("mesh_tp", "mesh_dp_shard").
std::optional<Axis> axis_from_description(std::string_view description);

// `collective` and `description` are the arguments "Collective name" and "Process Group Description" of newer traces,
// empty where there are none; `category` is the event's ("kernel", "gpu_memcpy", "gpu_memset").
GpuWork work_of_kernel(std::string_view category, std::string_view kernel, std::string_view collective = {},
                       std::string_view description = {});

}  // namespace trainyard
