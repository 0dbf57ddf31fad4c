// The measured constants behind every predicted time, in three parts that compose: the device, the network and the
// software stack. Read from scenarios/profiles by profile_yaml, where each constant carries its unit, source, number of
// independent sources and residual.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "models/training_choices.hpp"
#include "sim/base/hardware.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// Where a constant comes from; printed with --json and in reports.
struct Provenance {
  std::string constant;  // "gemm.sustained"
  std::string value;     // as written, with its unit
  std::string source;
  int sources = 0;       // independent sources behind it; 0 = judgement
  std::string residual;  // "5.9 % MAPE held out", empty if not fitted
  // How far the constant may be from its value, as a standard deviation of its logarithm; 0 = not to be adapted.
  double spread = 0;
  double prior = 0;         // what it was believed to be before any training step was seen; 0 = its value
  std::string set_by = {};  // the profile whose file sets it: the part's own, or one that it inherits from
  friend bool operator==(const Provenance&, const Provenance&) = default;
};

// What the formula leaves: measured over modelled time of GEMMs on a lattice of shapes. Between the knots the ratio is
// linear in the logarithms of M, N and K; beyond them it is that of the nearest knot.
struct GemmSurface {
  std::vector<double> m, n, k;  // knots, ascending
  std::vector<double> ratio;    // [m][n][k], the last fastest; empty = 1 everywhere
  friend bool operator==(const GemmSurface&, const GemmSurface&) = default;
};

// Time of a GEMM (M,N,K) by tile, wave and split-K; formula in gemm_cost.hpp.
struct GemmModel {
  double sustained = 0;                     // fraction of the dense peak for a big GEMM in a benchmark loop
  std::array<double, 6> tile_efficiency{};  // of the tile classes 256x128, 128x128, 256x64, 128x64, 64x64, smaller
  double k_overhead = 0;                    // prologue and epilogue of a tile, in elements of K
  double wave_softness = 0;                 // 0 = waves are fluid, 1 = full wave quantisation
  double memory_efficiency = 0;             // fraction of HBM peak
  Seconds fixed{};                          // per launch
  double blend = 1;                         // exponent joining compute and memory time
  double split_k_traffic = 0;               // scales the fp32 partial sums of split-K
  GemmSurface surface;                      // measured over modelled, 16-bit operands
  friend bool operator==(const GemmModel&, const GemmModel&) = default;
};

// What a GEMM of 8- or 4-bit operands has of its own; tiles, waves and memory are those of the 16-bit GemmModel.
struct LowPrecisionGemm {
  double sustained = 0;        // fraction of that type's dense peak for a big GEMM in a benchmark loop
  double k_overhead = 0;       // prologue, scaling and epilogue of a tile, in elements of K
  double training_derate = 1;  // speed of a large GEMM inside a training step relative to the benchmark loop
  GemmSurface surface;         // measured over modelled
  friend bool operator==(const LowPrecisionGemm&, const LowPrecisionGemm&) = default;
};

// How fast an attention kernel is for heads of some width, relative to its `efficiency`.
struct HeadWidth {
  double columns = 0;   // mean of those of Q and V
  double relative = 1;  // efficiency there over AttentionModel::efficiency
  friend bool operator==(const HeadWidth&, const HeadWidth&) = default;
};

// Flash-family attention kernel; formula in attention_cost.hpp.
struct AttentionModel {
  double efficiency = 0;               // fraction of the dense bf16 peak
  double key_overhead = 0;             // per 128-row block, in keys
  double tail = 0;                     // weight of the longest block
  std::vector<HeadWidth> head_widths;  // as measured, ascending; empty = the rule in attention_cost.hpp
  friend bool operator==(const AttentionModel&, const AttentionModel&) = default;
};

// Attention over whole prompts as a serving engine runs it: K and V are copied into a paged cache first.
struct PrefillAttention {
  AttentionModel kernel;
  double cache_efficiency = 0;  // fraction of HBM peak that the copy reaches
  Seconds cache_token{};        // of a token in the copy, however little it moves: one block of threads per token
  Seconds fixed{};              // launches of the copy and the kernel
  friend bool operator==(const PrefillAttention&, const PrefillAttention&) = default;
};

// A collective of one group size inside one NVLink domain as measured: the regime of a message is the last one whose
// `from` does not exceed it (NCCL changes protocol and algorithm with the size), and there t = latency + S / bandwidth.
struct CollectiveRegime {
  Bytes from{};
  Seconds latency{};
  BytesPerSecond bandwidth{};  // of NCCL's message size S, as nccl-tests' algbw
  friend bool operator==(const CollectiveRegime&, const CollectiveRegime&) = default;
};
struct CollectiveCurve {
  std::string operation;  // all_reduce, all_gather, reduce_scatter, all_to_all
  int ranks = 0;
  BytesPerSecond measured_at{};           // nominal NVLink bandwidth per GPU there; 0 = as where it is used
  std::vector<CollectiveRegime> regimes;  // ascending
  friend bool operator==(const CollectiveCurve&, const CollectiveCurve&) = default;
};

enum class AttentionKernel { materialised, flash1, flash2, flash3 };  // flash3: FA3 and cuDNN fused attention
inline constexpr int attention_kernels = 4;

struct DeviceProfile {
  std::string name;
  int multiprocessors = 0;
  FlopsPerSecond peak_half{};  // dense bf16/fp16
  FlopsPerSecond peak_fp8{};   // dense; 0 = no fp8
  FlopsPerSecond peak_fp4{};   // dense; 0 = no NVFP4
  bool bf16 = true;            // false: fp16 only (Volta)
  BytesPerSecond memory_bandwidth{};
  GemmModel gemm;
  LowPrecisionGemm fp8;
  LowPrecisionGemm fp4;
  bool fp8_transposes = false;         // fp8 GEMMs take K-major operands only: dgrad and wgrad need transposed copies
  double grouped_gemm_efficiency = 1;  // rate of the GEMMs of a rank's experts relative to one GEMM of their shape
  double training_derate = 1;          // speed of a large GEMM inside a training step relative to the benchmark loop
  double wgrad_slowdown = 1;           // time factor of weight-gradient GEMMs (NT, fp32 accumulation)
  double batched_gemm_efficiency = 0;  // of peak_half, for QK^T and PV of materialised attention
  std::array<AttentionModel, attention_kernels> attention_forward{};  // [materialised] is unused
  std::array<AttentionModel, attention_kernels> attention_backward{};
  // Of serving engines; no training step has it.
  std::optional<PrefillAttention> prefill_attention;
  double fp8_attention_speedup = 1;  // of attention with fp8 operands
  double fused_efficiency = 0;       // of HBM peak, vectorised memory-bound kernels
  double layout_efficiency = 0;      // of HBM peak, RoPE and transposes
  double permute_efficiency = 0;     // of HBM peak, copies of tokens into the order of their experts and back
  double embedding_efficiency = 0;   // of HBM peak, gather and scatter of rows
  Seconds kernel_launch{};           // fixed time of a memory-bound kernel
  double reduction_efficiency = 0;   // of NVLink's nominal per-GPU bandwidth, large ring collectives
  double multicast_gain = 1;         // bandwidth of NVLink SHARP all-reduce relative to the ring
  Seconds multicast_latency{};       // of NVLink SHARP all-reduce
  Seconds multicast_step{};          // added per node-to-node step where it continues as a tree over nodes
  int compute_capability = 0;        // 70 Volta, 80 Ampere, 90 Hopper, 100 Blackwell: which of NCCL's constants apply
  double collective_latency = 1;     // NCCL's latencies inside a node, relative to the table of its tuner
  Seconds collective_base{};         // latency of any collective over NVLink
  Seconds collective_step{};         // added per ring step over NVLink
  double all_to_all_efficiency = 0;  // of NVLink's nominal per-GPU bandwidth, NCCL all-to-all
  double dispatch_efficiency = 0;    // of the same, expert-parallel kernels that write into the peers (DeepEP)
  Seconds all_to_all_peer{};         // added per peer reached over NVLink
  std::vector<CollectiveCurve> nvlink_collectives;  // measured ones, used before the formulas above; may be empty
  Bytes context{};                                  // CUDA context and modules of a training process
  Bytes blas_workspace{};
  BytesPerSecond host_update_bandwidth{};  // host memory traffic of an offloaded optimizer, one GPU's share of the node
  BytesPerSecond host_nvme_bandwidth{};    // the same from and to NVMe drives
  std::vector<Provenance> provenance;
  friend bool operator==(const DeviceProfile&, const DeviceProfile&) = default;
};

struct NetworkProfile {
  std::string name;
  double collective_efficiency = 0;  // of the NICs' nominal rate, large collectives
  double p2p_efficiency = 0;         // of one NIC's nominal rate, pipeline sends
  double all_to_all_efficiency = 0;  // of one NIC's nominal rate, all-to-all
  Seconds step_latency{};            // one inter-node ring step, protocol Simple
  Seconds p2p_latency{};
  Seconds all_to_all_peer{};          // added to an all-to-all per peer in another node
  double pcie_efficiency = 0;         // of nominal PCIe and socket rates
  Seconds pcie_latency{};             // one PCIe ring step
  double routing_efficiency = 1;      // above the first switch level (ECMP collisions, adaptive routing)
  double congestion = 0;              // share of a collective's bandwidth lost per doubling of nodes beyond two
  bool ll_protocol = true;            // NCCL's protocol LL works over it (needs 8-byte stores in order)
  bool ll128_protocol = true;         // and LL128 (128-byte stores in order)
  bool in_network_reduction = false;  // switches reduce (SHARP), and NCCL's plugin for it is loaded
  std::vector<Provenance> provenance;
  friend bool operator==(const NetworkProfile&, const NetworkProfile&) = default;
};

enum class TpOverlap {
  none,         // every TP collective stops the compute stream
  backward,     // the collectives of the backward's column-parallel layers run under dgrad or wgrad GEMMs
  userbuffers,  // and the others are pipelined with their GEMM, leaving `userbuffers_exposed` of them
  async_tp      // the same by PyTorch's symmetric-memory kernels, leaving `async_tp_exposed`
};
enum class P2pMode { blocking, overlapped };

// What a framework version fuses, overlaps and costs the host. Passes are reads plus writes of a tensor.
struct StackProfile {
  std::string name;
  // attention
  AttentionKernel attention = AttentionKernel::flash2;
  double score_passes_forward = 0;  // HBM passes over the materialised scores, without dropout
  double score_passes_backward = 0;
  double dropout_score_passes_forward = 0;  // added when attention dropout is on
  double dropout_score_passes_backward = 0;
  bool dropout = false;  // trains with dropout (GPT-style default 0.1)
  // memory-bound kernels, passes over a hidden-sized activation
  double norm_passes_forward = 2;
  double norm_passes_backward = 4;
  double rms_norm_passes_forward = 2;
  double rms_norm_passes_backward = 4;
  double residual_passes_forward = 3;  // bias + dropout + residual add
  double residual_passes_backward = 2;
  double qkv_copies = 1;  // layout copies of Q, K, V, forward and backward each
  bool fused_rope = true;
  double elementwise_factor = 1;         // time factor on all memory-bound kernels (unvectorised, unfused)
  double loss_bytes_per_logit = 40;      // HBM traffic of cross-entropy, forward and backward
  bool fused_wgrad_accumulation = true;  // wgrad GEMM adds into the fp32 main gradient
  // communication
  TpOverlap tp_overlap = TpOverlap::none;
  double userbuffers_exposed = 0.33;  // share of a pipelined TP collective that stays exposed
  double async_tp_exposed = 0.4;
  P2pMode p2p = P2pMode::blocking;
  Seconds p2p_host_sync{};          // added to a blocking pipeline message: the host waits for it and starts anew
  bool p2p_scatter_gather = false;  // sends 1/tp of the activation per rank and gathers it over NVLink
  bool overlap_grad_reduce = false;
  bool overlap_param_gather = false;
  double contention = 0;                    // kappa: compute time lost per second of overlapped communication
  double scale_out_slowdown = 0;            // relative time added per doubling of GPUs beyond 8
  double distributed_optimizer_factor = 1;  // time of the ZeRO-1 collectives relative to the link-bound time
  DataType grad_reduce_type = DataType::fp32;
  // fully sharded data parallelism
  DataType fsdp_reduce_type = DataType::fp32;  // of the reduce-scatter of gradients
  double fsdp_contention = 0;                  // kappa of overlapped gathers and reductions
  double fsdp_scale_out_slowdown = 0;          // relative time added per doubling of GPUs beyond 8
  double gather_efficiency = 1;                // link-bound time of a parameter gather over its time
  bool single_rail_sharding = false;           // its collectives drive one NIC at a time, however many the node has
  // mixture of experts
  ExpertDispatcher dispatcher = ExpertDispatcher::all_to_all;
  Seconds moe_host_sync{};     // per dropless MoE layer and pass: the host waits for the tokens per expert
  int moe_router_kernels = 1;  // launches of top-k, softmax, counting and auxiliary loss, forward
  // Their HBM passes over the fp32 table of tokens x experts, at the speed of layout kernels.
  double moe_router_passes = 1;
  // quantisation of linear inputs and gradients, HBM bytes per element
  double quantise_bytes = 3;            // cast: reads 16 bit, writes 8
  double quantise_transpose_bytes = 1;  // the second, transposed copy that the cast writes too
  double quantise_amax_bytes = 2;       // a further read where the scale is that of the current tensor
  // host
  Seconds host_forward{};  // least time per layer and micro-batch, however fast the GPU
  Seconds host_backward{};
  double host_tp_growth = 0;  // relative growth of the host floor at tp 8 (linear in log2 tp)
  Seconds host_step{};        // per step: logging, data hand-off
  bool cuda_graphs = false;
  double cuda_graph_host = 1;  // factor on the host floors of layers that run as CUDA graphs
  // optimizer: HBM bytes per parameter
  double optimizer_bytes_local = 16;  // over all parameters of the rank
  double optimizer_bytes_owned = 46;  // over those whose optimizer state the rank owns
  // memory
  double score_memory = 2;               // bytes saved per attention score (materialised attention), without dropout
  double dropout_score_memory = 3;       // added when attention dropout is on: mask and dropped scores
  double norm_saved_extra = 0;           // bytes per token and hidden element kept beyond the norm's input, per norm
  double loss_memory_per_logit = 8;      // bytes held per logit at the peak of the loss
  double logits_copies = 0;              // further logits-sized fp32 buffers alive at that peak
  bool dummy_wgrads = false;             // Transformer Engine's bf16 weight-gradient placeholders
  bool expert_outputs_weighted = false;  // after the experts, which keeps their outputs; else at their activation
  double fragmentation = 1.05;           // reserved / allocated, of what comes and goes during a step
  Bytes framework_reserve{};             // NCCL, framework buffers outside the allocator
  // spread of measured over predicted step time, from `validate`
  double step_time_p10 = 0.9;
  double step_time_p90 = 1.1;
  std::vector<Provenance> provenance;
  friend bool operator==(const StackProfile&, const StackProfile&) = default;
};

struct Profile {
  DeviceProfile device;
  NetworkProfile network;
  StackProfile stack;
  friend bool operator==(const Profile&, const Profile&) = default;
};

}  // namespace trainyard
