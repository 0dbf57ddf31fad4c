// What a profiler would have called the kernels of a simulated rank: real families of names (Kineto's users sort by
// them), in which the operator stands where a real kernel has its tile sizes.
#pragma once

#include <string>
#include <string_view>

#include "analysis/simulate.hpp"
#include "analysis/trace/kineto_kernels.hpp"
#include "models/collective_cost.hpp"

namespace trainyard {

// "nvjet_tst_qkv_proj_TNT" on Hopper, "ampere_bf16_s16816gemm_bf16_qkv_proj_tn" on Ampere, "void flash_fwd_kernel<…>".
std::string kernel_name(const Job& job, const OperatorWork& work, Phase phase);

// "ncclDevKernel_ReduceScatter_Sum_f32_RING_LL128(ncclDevKernelArgsStorage<4096ul>)"; what the cost model does not
// price as one of NCCL's algorithms is point to point: "ncclDevKernel_SendRecv(…)".
std::string collective_kernel_name(CollectiveKind kind, DataType type, const CollectiveCost& cost);

// Of a part of a block, which stands for several kernels.
std::string part_kernel_name(KernelPart part);

std::string_view torch_name(DataType type);        // "BFloat16", "Float" …: argument "dtype"
std::string_view torch_name(CollectiveKind kind);  // "allreduce", "_allgather_base" …: argument "Collective name"

// The type of what a collective or message carries; its work says no more than its bytes.
DataType wire_type(const Job& job, const SimulatedStep& step, const Work& work);

}  // namespace trainyard
