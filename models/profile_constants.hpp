// The constants of each part of a profile by name: the one list that reading, inheritance, completeness, writing and
// adapting follow. visit(name, member) is called for each; members are numbers, quantities, flags, words and tables.
#pragma once

#include <utility>

#include "models/profile.hpp"

namespace trainyard {

template <class Visit>
void visit_constants(DeviceProfile& d, Visit&& visit) {
  visit("multiprocessors", d.multiprocessors);
  visit("peak_half", d.peak_half);
  visit("peak_fp8", d.peak_fp8);
  visit("peak_fp4", d.peak_fp4);
  visit("bf16", d.bf16);
  visit("memory_bandwidth", d.memory_bandwidth);
  visit("gemm.sustained", d.gemm.sustained);
  visit("gemm.tile_efficiency", d.gemm.tile_efficiency);
  visit("gemm.k_overhead", d.gemm.k_overhead);
  visit("gemm.wave_softness", d.gemm.wave_softness);
  visit("gemm.memory_efficiency", d.gemm.memory_efficiency);
  visit("gemm.fixed", d.gemm.fixed);
  visit("gemm.blend", d.gemm.blend);
  visit("gemm.split_k_traffic", d.gemm.split_k_traffic);
  visit("gemm.surface", d.gemm.surface);
  visit("fp8.sustained", d.fp8.sustained);
  visit("fp8.k_overhead", d.fp8.k_overhead);
  visit("fp8.training_derate", d.fp8.training_derate);
  visit("fp8.surface", d.fp8.surface);
  visit("fp8_transposes", d.fp8_transposes);
  visit("fp4.sustained", d.fp4.sustained);
  visit("fp4.k_overhead", d.fp4.k_overhead);
  visit("fp4.training_derate", d.fp4.training_derate);
  visit("fp4.surface", d.fp4.surface);
  visit("grouped_gemm_efficiency", d.grouped_gemm_efficiency);
  visit("training_derate", d.training_derate);
  visit("wgrad_slowdown", d.wgrad_slowdown);
  visit("batched_gemm_efficiency", d.batched_gemm_efficiency);
  visit("attention.flash1.forward", d.attention_forward[1]);
  visit("attention.flash1.backward", d.attention_backward[1]);
  visit("attention.flash2.forward", d.attention_forward[2]);
  visit("attention.flash2.backward", d.attention_backward[2]);
  visit("attention.flash3.forward", d.attention_forward[3]);
  visit("attention.flash3.backward", d.attention_backward[3]);
  visit("attention.prefill.forward", d.prefill_attention);
  visit("fp8_attention_speedup", d.fp8_attention_speedup);
  visit("fused_efficiency", d.fused_efficiency);
  visit("layout_efficiency", d.layout_efficiency);
  visit("permute_efficiency", d.permute_efficiency);
  visit("embedding_efficiency", d.embedding_efficiency);
  visit("kernel_launch", d.kernel_launch);
  visit("reduction_efficiency", d.reduction_efficiency);
  visit("multicast_gain", d.multicast_gain);
  visit("multicast_latency", d.multicast_latency);
  visit("multicast_step", d.multicast_step);
  visit("compute_capability", d.compute_capability);
  visit("collective_latency", d.collective_latency);
  visit("collective_base", d.collective_base);
  visit("collective_step", d.collective_step);
  visit("all_to_all_efficiency", d.all_to_all_efficiency);
  visit("dispatch_efficiency", d.dispatch_efficiency);
  visit("all_to_all_peer", d.all_to_all_peer);
  visit("nvlink_collectives", d.nvlink_collectives);
  visit("context", d.context);
  visit("blas_workspace", d.blas_workspace);
  visit("host_update_bandwidth", d.host_update_bandwidth);
  visit("host_nvme_bandwidth", d.host_nvme_bandwidth);
}
template <class Visit>
void visit_constants(NetworkProfile& n, Visit&& visit) {
  visit("collective_efficiency", n.collective_efficiency);
  visit("p2p_efficiency", n.p2p_efficiency);
  visit("all_to_all_efficiency", n.all_to_all_efficiency);
  visit("step_latency", n.step_latency);
  visit("p2p_latency", n.p2p_latency);
  visit("all_to_all_peer", n.all_to_all_peer);
  visit("pcie_efficiency", n.pcie_efficiency);
  visit("pcie_latency", n.pcie_latency);
  visit("routing_efficiency", n.routing_efficiency);
  visit("congestion", n.congestion);
  visit("ll_protocol", n.ll_protocol);
  visit("ll128_protocol", n.ll128_protocol);
  visit("in_network_reduction", n.in_network_reduction);
}
template <class Visit>
void visit_constants(StackProfile& s, Visit&& visit) {
  visit("attention", s.attention);
  visit("score_passes_forward", s.score_passes_forward);
  visit("score_passes_backward", s.score_passes_backward);
  visit("dropout_score_passes_forward", s.dropout_score_passes_forward);
  visit("dropout_score_passes_backward", s.dropout_score_passes_backward);
  visit("dropout", s.dropout);
  visit("norm_passes_forward", s.norm_passes_forward);
  visit("norm_passes_backward", s.norm_passes_backward);
  visit("rms_norm_passes_forward", s.rms_norm_passes_forward);
  visit("rms_norm_passes_backward", s.rms_norm_passes_backward);
  visit("residual_passes_forward", s.residual_passes_forward);
  visit("residual_passes_backward", s.residual_passes_backward);
  visit("qkv_copies", s.qkv_copies);
  visit("fused_rope", s.fused_rope);
  visit("elementwise_factor", s.elementwise_factor);
  visit("loss_bytes_per_logit", s.loss_bytes_per_logit);
  visit("fused_wgrad_accumulation", s.fused_wgrad_accumulation);
  visit("tp_overlap", s.tp_overlap);
  visit("userbuffers_exposed", s.userbuffers_exposed);
  visit("async_tp_exposed", s.async_tp_exposed);
  visit("p2p", s.p2p);
  visit("p2p_host_sync", s.p2p_host_sync);
  visit("p2p_scatter_gather", s.p2p_scatter_gather);
  visit("overlap_grad_reduce", s.overlap_grad_reduce);
  visit("overlap_param_gather", s.overlap_param_gather);
  visit("contention", s.contention);
  visit("scale_out_slowdown", s.scale_out_slowdown);
  visit("distributed_optimizer_factor", s.distributed_optimizer_factor);
  visit("grad_reduce_type", s.grad_reduce_type);
  visit("fsdp_reduce_type", s.fsdp_reduce_type);
  visit("fsdp_contention", s.fsdp_contention);
  visit("fsdp_scale_out_slowdown", s.fsdp_scale_out_slowdown);
  visit("gather_efficiency", s.gather_efficiency);
  visit("single_rail_sharding", s.single_rail_sharding);
  visit("dispatcher", s.dispatcher);
  visit("moe_host_sync", s.moe_host_sync);
  visit("moe_router_kernels", s.moe_router_kernels);
  visit("moe_router_passes", s.moe_router_passes);
  visit("quantise_bytes", s.quantise_bytes);
  visit("quantise_transpose_bytes", s.quantise_transpose_bytes);
  visit("quantise_amax_bytes", s.quantise_amax_bytes);
  visit("host_forward", s.host_forward);
  visit("host_backward", s.host_backward);
  visit("host_tp_growth", s.host_tp_growth);
  visit("host_step", s.host_step);
  visit("cuda_graphs", s.cuda_graphs);
  visit("cuda_graph_host", s.cuda_graph_host);
  visit("optimizer_bytes_local", s.optimizer_bytes_local);
  visit("optimizer_bytes_owned", s.optimizer_bytes_owned);
  visit("score_memory", s.score_memory);
  visit("dropout_score_memory", s.dropout_score_memory);
  visit("norm_saved_extra", s.norm_saved_extra);
  visit("loss_memory_per_logit", s.loss_memory_per_logit);
  visit("logits_copies", s.logits_copies);
  visit("dummy_wgrads", s.dummy_wgrads);
  visit("expert_outputs_weighted", s.expert_outputs_weighted);
  visit("fragmentation", s.fragmentation);
  visit("framework_reserve", s.framework_reserve);
  visit("step_time_p10", s.step_time_p10);
  visit("step_time_p90", s.step_time_p90);
}

}  // namespace trainyard
