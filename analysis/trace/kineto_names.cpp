#include "analysis/trace/kineto_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/program/step_inputs.hpp"

namespace trainyard {
namespace {

constexpr std::string_view nccl_arguments = "(ncclDevKernelArgsStorage<4096ul>)";

// Compute capabilities from which cuBLAS has another family of kernels.
constexpr int blackwell = 100;
constexpr int hopper = 90;
constexpr int ampere = 80;

// Which operands a GEMM reads transposed: forward, data gradient, weight gradient of a linear layer.
std::string_view operand_order(std::string_view op, const Gemm& gemm) {
  if (gemm.weight_gradient) return "NT";
  return op.ends_with("_dgrad") ? "NN" : "TN";
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) { return c == 'N' ? 'n' : 't'; });
  return result;
}

std::string gemm_name(const Job& job, std::string_view op, const Gemm& gemm) {
  const int capability = job.profile.device.compute_capability;
  const std::string_view order = operand_order(op, gemm);
  if (gemm.groups > 1) return fmt::format("void cutlass::device_kernel<GroupedGemm_{}_{}>(Params)", op, order);
  const bool eight_bit = bytes_per_element(gemm.type) < 2.0;
  if (capability >= blackwell) return fmt::format("nvjet_sm100_{}_{}_{}T", eight_bit ? "qqtst" : "tst", op, order);
  if (capability >= hopper) return fmt::format("nvjet_{}_{}_{}T", eight_bit ? "qqtst" : "tst", op, order);
  const std::string_view type = job.workload.precision == DataType::fp16 ? "fp16" : "bf16";
  if (capability >= ampere) return fmt::format("ampere_{}_s16816gemm_{}_{}_{}", type, type, op, lower(order));
  return fmt::format("volta_fp16_s884gemm_fp16_{}_{}", op, lower(order));
}

std::string attention_name(const Job& job, const Attention& attention) {
  if (job.profile.stack.attention == AttentionKernel::flash3)
    return fmt::format("cudnn_generated_fort_native_sdpa_sm{}_flash_{}_wgmma_f16",
                       job.profile.device.compute_capability, attention.backward ? "bprop" : "fprop");
  const std::string_view kernel =
      attention.backward ? "flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel" : "flash_fwd_kernel";
  const std::string_view pass = attention.backward ? "bwd" : "fwd";
  return fmt::format("void {}<Flash_{}_kernel_traits<{}>>(Flash_{}_params)", kernel, pass, attention.d_qk, pass);
}

// Rows are asked in order; the last word is part of every name.
struct KernelFamily {
  std::string_view word;  // in the operator's name
  std::string_view kernel;
};
constexpr std::array memory_bound_families = {
    KernelFamily{"norm_backward", "void transformer_engine::normalization::{}_bwd_general_kernel"},
    KernelFamily{"norm", "void transformer_engine::normalization::{}_fwd_general_kernel"},
    KernelFamily{"rope", "void transformer_engine::fused_rope_kernel"},
    KernelFamily{"cross_entropy", "cross_entropy_kernel"},
    KernelFamily{"embedding", "void at::native::indexSelectLargeIndex"},
    KernelFamily{"softmax", "void scaled_upper_triang_masked_softmax_warp"},
    KernelFamily{"permute", "_permute_kernel"},
    KernelFamily{"sort", "_sort_chunks_by_map_kernel"},
    KernelFamily{"topk", "void at::native::sbtopk::gatherTopK"},
    KernelFamily{"quantise", "void transformer_engine::cast_transpose_kernel"},
    KernelFamily{"", "void at::native::vectorized_elementwise_kernel"},
};

std::string memory_bound_name(const Job& job, std::string_view op) {
  const auto family = std::find_if(memory_bound_families.begin(), memory_bound_families.end(),
                                   [&](const KernelFamily& f) { return op.find(f.word) != std::string_view::npos; });
  std::string kernel(family->kernel);
  if (const std::size_t at = kernel.find("{}"); at != std::string::npos)
    kernel.replace(at, 2, job.model.norm == NormKind::rmsnorm ? "rmsnorm" : "ln");
  return fmt::format("{}<{}>", kernel, op);
}

std::string_view nccl_name(DataType type) {
  switch (type) {
    case DataType::fp32:
    case DataType::tf32:
      return "f32";
    case DataType::bf16:
      return "bf16";
    case DataType::fp16:
      return "f16";
    case DataType::fp8:
      return "f8e4m3";
    case DataType::nvfp4:
      return "u8";
  }
  return "u8";
}

// "nvls-tree" -> "NVLS_TREE"
std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    if (c == '-') return '_';
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return result;
}

}  // namespace

std::string kernel_name(const Job& job, const OperatorWork& work, Phase phase) {
  if (phase == Phase::optimizer)
    return "void multi_tensor_apply_kernel<TensorListMetadata<4>, AdamFunctor<float, float, int>>";
  if (const auto* gemm = std::get_if<Gemm>(&work.op.work)) return gemm_name(job, work.op.name, *gemm);
  if (const auto* attention = std::get_if<Attention>(&work.op.work)) return attention_name(job, *attention);
  return memory_bound_name(job, work.op.name);
}

std::string collective_kernel_name(CollectiveKind kind, DataType type, const CollectiveCost& cost) {
  const auto named = [&](std::string_view collective) {
    return fmt::format("ncclDevKernel_{}_{}_{}{}", collective, upper(cost.algorithm), upper(cost.protocol),
                       nccl_arguments);
  };
  const bool nccl_chose = !cost.protocol.empty();
  switch (kind) {
    case CollectiveKind::all_reduce:
      return nccl_chose ? named(fmt::format("AllReduce_Sum_{}", nccl_name(type)))
                        : fmt::format("ncclDevKernel_AllReduce_Sum_{}_RING_LL{}", nccl_name(type), nccl_arguments);
    case CollectiveKind::all_gather:
      return nccl_chose ? named("AllGather") : fmt::format("ncclDevKernel_AllGather_RING_LL{}", nccl_arguments);
    case CollectiveKind::reduce_scatter:
      return nccl_chose ? named(fmt::format("ReduceScatter_Sum_{}", nccl_name(type)))
                        : fmt::format("ncclDevKernel_ReduceScatter_Sum_{}_RING_LL{}", nccl_name(type), nccl_arguments);
    case CollectiveKind::broadcast:
      return nccl_chose ? named("Broadcast") : fmt::format("ncclDevKernel_Broadcast_RING_LL{}", nccl_arguments);
    case CollectiveKind::all_to_all:
    case CollectiveKind::send_receive:
      break;
  }
  return fmt::format("ncclDevKernel_SendRecv{}", nccl_arguments);
}

std::string part_kernel_name(KernelPart part) {
  switch (part) {
    case KernelPart::gemm:
      return "simulated_block_gemm";
    case KernelPart::attention:
      return "simulated_block_flash_attention";
    case KernelPart::memory_bound:
      return "simulated_block_elementwise";
    case KernelPart::whole:
    case KernelPart::slowdown:
      return "simulated_block_slowed";
    case KernelPart::tp:
    case KernelPart::cp:
    case KernelPart::ep:
      return fmt::format("ncclDevKernel_Generic{}", nccl_arguments);
  }
  return {};
}

std::string_view torch_name(DataType type) {
  switch (type) {
    case DataType::fp32:
    case DataType::tf32:
      return "Float";
    case DataType::bf16:
      return "BFloat16";
    case DataType::fp16:
      return "Half";
    case DataType::fp8:
      return "Float8_e4m3fn";
    case DataType::nvfp4:
      return "Byte";
  }
  return "Byte";
}

std::string_view torch_name(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::all_reduce:
      return "allreduce";
    case CollectiveKind::all_gather:
      return "_allgather_base";
    case CollectiveKind::reduce_scatter:
      return "_reduce_scatter_base";
    case CollectiveKind::all_to_all:
      return "all_to_allv";
    case CollectiveKind::broadcast:
      return "broadcast";
    case CollectiveKind::send_receive:
      return "send";
  }
  return "";
}

DataType wire_type(const Job& job, const SimulatedStep& step, const Work& work) {
  const auto* c = std::get_if<Collective>(&work);
  if (c != nullptr && c->segment < 0) {
    if (c->label == "gradient norm") return DataType::fp32;
    const StackProfile& stack = job.profile.stack;
    if (c->label.find("gradients") != std::string_view::npos)
      return gathers_units(step.plan) ? unit_reduce_type(step.plan, stack)
                                      : step.plan.grad_reduce_type.value_or(stack.grad_reduce_type);
    if (step.plan.fp8_param_gather) return DataType::fp8;
  }
  switch (job.workload.precision) {
    case DataType::fp32:
    case DataType::tf32:
      return DataType::fp32;
    case DataType::fp16:
      return DataType::fp16;
    case DataType::bf16:
    case DataType::fp8:
    case DataType::nvfp4:
      break;
  }
  return DataType::bf16;
}

}  // namespace trainyard
