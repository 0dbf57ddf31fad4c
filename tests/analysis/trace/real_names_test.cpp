// Kernel names as profilers printed them in public, and where they belong.
#include <catch2/catch.hpp>

#include "analysis/trace/real_kernel_names.hpp"

using namespace trainyard;

namespace {

struct NamedKernel {
  const char* name;
  WorkCategory category;
};

std::string placed(const GpuWork& work) { return key_of(work); }

}  // namespace

TEST_CASE("kernels are sorted by the names that real profiles show") {
  // From issues and profiles of NVIDIA/Fuser (#4873), sgl-project/sglang (#22353), NVIDIA/TransformerEngine,
  // Dao-AILab/flash-attention, pytorch/pytorch and NVIDIA/apex.
  const NamedKernel kernels[] = {
      {"nvjet_tst_192x192_64x3_2x1_v_bz_coopB_NTN", WorkCategory::gemm},
      {"nvjet_sm100_tst_64x16_64x16_2x4_2cta_h_bz_splitK_TNT", WorkCategory::gemm},
      {"sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize128x128x64_warpgroupsize1x1x1_execute_segment_k_off_kernel",
       WorkCategory::gemm},
      {"ampere_bf16_s16816gemm_bf16_128x256_ldg8_f2f_stages_64x3_tn", WorkCategory::gemm},
      {"volta_fp16_s884gemm_fp16_256x128_ldg8_f2f_tn", WorkCategory::gemm},
      {"void cutlass::Kernel2<cutlass_80_wmma_tensorop_bf16_s161616gemm_bf16_16x16_128x2_tn_align8>(Params)",
       WorkCategory::gemm},
      {"void cutlass::device_kernel<at::cuda::detail::enable_3x_kernel_for_sm9x<cutlass::gemm::kernel::X>>",
       WorkCategory::gemm},
      {"void cublasLt::splitKreduce_kernel<32, 16, int, __nv_bfloat16, __nv_bfloat16, float, __nv_bfloat16>",
       WorkCategory::gemm},
      {"Cijk_Ailk_Bjlk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT256x192x64_MI16x16x1_SN", WorkCategory::gemm},
      {"triton_tem_fused_mm_3", WorkCategory::gemm},
      {"void flash_fwd_kernel<Flash_fwd_kernel_traits<128, 128, 64, 4, false, false, cutlass::bfloat16_t>>(Params)",
       WorkCategory::attention},
      {"void pytorch_flash::flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<pytorch_flash::Flash_bwd_kernel_traits<128>>",
       WorkCategory::attention},
      {"void cutlass::device_kernel<flash::enable_sm90<flash::FlashAttnBwdSm90<flash::CollectiveMainloopBwdSm90>>>",
       WorkCategory::attention},
      {"cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x128x128_4x1x1_kernel0_0",
       WorkCategory::attention},
      {"fmha_cutlassF_bf16_aligned_64x128_rf_sm80(PyTorchMemEffAttention::AttentionKernel<cutlass::bfloat16_t>)",
       WorkCategory::attention},
      {"triton_tem_fused_flex_attention_backward_2", WorkCategory::attention},
      {"void transformer_engine::normalization::rmsnorm_fwd_general_kernel<transformer_engine::X>",
       WorkCategory::memory_bound},
      {"void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<c10::BFloat16>>",
       WorkCategory::memory_bound},
      {"void at::native::(anonymous namespace)::CatArrayBatchedCopy<float>", WorkCategory::memory_bound},
      {"void at::native::indexSelectLargeIndex<c10::BFloat16, long, unsigned int, 2, 2, -2, true>",
       WorkCategory::memory_bound},
      {"triton_red_fused_native_layer_norm_7", WorkCategory::memory_bound},
      {"triton_poi_fused__scaled_dot_product_flash_attention_4", WorkCategory::memory_bound},
      {"triton_poi_fused_all_to_all_single_clone_permute_view_0", WorkCategory::memory_bound},
      {"_permute_kernel", WorkCategory::memory_bound},
      {"_sort_chunks_by_map_kernel", WorkCategory::memory_bound},
      {"cross_entropy_kernel", WorkCategory::memory_bound},
      {"void scaled_upper_triang_masked_softmax_warp_forward<c10::BFloat16, c10::BFloat16, float, 11>",
       WorkCategory::memory_bound},
      {"void multi_tensor_apply_kernel<TensorListMetadata<4>, AdamFunctor<float, float, int>>",
       WorkCategory::optimizer},
      {"void at::native::(anonymous "
       "namespace)::multi_tensor_apply_kernel<at::native::FusedOptimizerTensorListMetadata>",
       WorkCategory::optimizer},
      {"triton_for_fused_add_addcdiv_mul_sqrt_0", WorkCategory::optimizer},
      {"selective_scan_fwd", WorkCategory::memory_bound},
      {"some_kernel_nobody_knows", WorkCategory::other},
      {"", WorkCategory::other},
  };
  for (const NamedKernel& kernel : kernels) {
    INFO(kernel.name);
    CHECK(name(work_of_kernel("kernel", kernel.name).category) == name(kernel.category));
  }
}

TEST_CASE("collectives are told by their arguments, else by their kernels, old and new") {
  const auto kind = [](const char* kernel, const char* collective = "", const char* description = "") {
    return placed(work_of_kernel("kernel", kernel, collective, description));
  };
  // NCCL up to 2.18 and PyTorch 1.x, NCCL since; ROCm.
  CHECK(kind("ncclKernel_AllReduce_RING_LL_Sum_float(ncclWorkElem)") == "all_reduce");
  CHECK(kind("ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)") == "all_gather");
  CHECK(kind("ncclDevKernel_ReduceScatter_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)") == "reduce_scatter");
  CHECK(kind("ncclDevKernel_Broadcast_RING_LL(ncclDevKernelArgsStorage<4096ul>)") == "broadcast");
  CHECK(kind("ncclDevKernel_SendRecv(ncclDevKernelArgsStorage<4096ul>)") == "send_recv");
  CHECK(kind("ncclDevKernel_Generic(ncclDevKernelArgsStorage<4096ul>)") == "collective");
  CHECK(kind("void rcclGenericKernel<1, false>(ncclDevKernelArgsStorage<4096ul>)", "_allgather_base") == "all_gather");
  // An all-to-all runs as sends and receives: only its arguments tell.
  CHECK(kind("ncclDevKernel_SendRecv(ncclDevKernelArgsStorage<4096ul>)", "all_to_allv",
             "EXPERT_MODEL_PARALLEL_GROUP") == "ep_all_to_all");
  CHECK(kind("ncclDevKernel_AllReduce_Sum_f32_TREE_LL128(...)", "coalesced") == "all_reduce");
  CHECK(kind("void deep_ep::intranode::dispatch<8, 768, 8192>(int4*, float*)") == "ep_all_to_all");
  CHECK(kind("void vllm::cross_device_reduce_2stage<__nv_bfloat16, 8>") == "all_reduce");
}

TEST_CASE("copies are copies, whatever the trace's age") {
  CHECK(work_of_kernel("gpu_memcpy", "Memcpy DtoH (Device -> Pinned)").category == WorkCategory::copy);
  CHECK(work_of_kernel("gpu_memset", "Memset (Device)").category == WorkCategory::copy);
  CHECK(work_of_kernel("Memcpy", "Memcpy HtoD (Pageable -> Device)").category == WorkCategory::copy);
}

TEST_CASE("the axis is read off Megatron's and a device mesh's descriptions") {
  // Megatron-LM megatron/core/parallel_state.py; names of torch.distributed.device_mesh.
  const std::pair<const char*, std::optional<Axis>> groups[] = {
      {"TENSOR_MODEL_PARALLEL_GROUP", Axis::tp},
      {"DATA_PARALLEL_GROUP", Axis::dp},
      {"DATA_PARALLEL_GROUP_WITH_CP", Axis::dp},
      {"INTRA_PARTIAL_DATA_PARALLEL_GROUP_WITH_CP", Axis::dp},
      {"CONTEXT_PARALLEL_GROUP", Axis::cp},
      {"PIPELINE_MODEL_PARALLEL_GROUP", Axis::pp},
      {"EMBEDDING_GROUP", Axis::pp},
      {"EXPERT_MODEL_PARALLEL_GROUP", Axis::ep},
      {"EXPERT_TENSOR_PARALLEL_GROUP", Axis::tp},
      {"EXPERT_TENSOR_AND_MODEL_PARALLEL_GROUP", Axis::ep},
      {"EXPERT_DATA_PARALLEL_GROUP", Axis::dp},
      {"mesh_tp", Axis::tp},
      {"mesh_dp_shard", Axis::dp},
      {"mesh_pp", Axis::pp},
      {"mesh_cp", Axis::cp},
      {"default_pg", std::nullopt},
      {"undefined", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& [description, axis] : groups) {
    INFO(description);
    CHECK(axis_from_description(description) == axis);
  }
}

TEST_CASE("codes of works are dense and lead back") {
  for (int code = 0; code < work_codes; ++code)
    CHECK(static_cast<int>(code_of(work_of(static_cast<WorkCode>(code)))) == code);
}
