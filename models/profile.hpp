// The measured constants behind every predicted time, in three parts that compose: the device, the network and the
// software stack. Read from scenarios/profiles by profile_yaml, where each constant carries its unit, source, number of
// independent sources and residual.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

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
  friend bool operator==(const Provenance&, const Provenance&) = default;
};

// Time of a GEMM (M,N,K) by tile, wave and split-K; formula in operator_cost.hpp.
struct GemmModel {
  double sustained = 0;                     // fraction of the dense peak for a big GEMM in a benchmark loop
  std::array<double, 6> tile_efficiency{};  // of the tile classes 256x128, 128x128, 256x64, 128x64, 64x64, smaller
  double k_overhead = 0;                    // prologue and epilogue of a tile, in elements of K
  double wave_softness = 0;                 // 0 = waves are fluid, 1 = full wave quantisation
  double memory_efficiency = 0;             // fraction of HBM peak
  Seconds fixed{};                          // per launch
  double blend = 1;                         // exponent joining compute and memory time
  double split_k_traffic = 0;               // scales the fp32 partial sums of split-K
  friend bool operator==(const GemmModel&, const GemmModel&) = default;
};

// Flash-family attention kernel; formula in operator_cost.hpp.
struct AttentionModel {
  double efficiency = 0;    // fraction of the dense bf16 peak
  double key_overhead = 0;  // per 128-row block, in keys
  double tail = 0;          // weight of the longest block
  friend bool operator==(const AttentionModel&, const AttentionModel&) = default;
};

enum class AttentionKernel { materialised, flash1, flash2, flash3 };  // flash3: FA3 and cuDNN fused attention
inline constexpr int attention_kernels = 4;

struct DeviceProfile {
  std::string name;
  int multiprocessors = 0;
  FlopsPerSecond peak_half{};  // dense bf16/fp16
  FlopsPerSecond peak_fp8{};   // dense; 0 = no fp8
  bool bf16 = true;            // false: fp16 only (Volta)
  BytesPerSecond memory_bandwidth{};
  GemmModel gemm;
  double training_derate = 1;          // sustained GEMM speed inside a training step relative to the benchmark loop
  double wgrad_slowdown = 1;           // time factor of weight-gradient GEMMs (NT, fp32 accumulation)
  double batched_gemm_efficiency = 0;  // of peak_half, for QK^T and PV of materialised attention
  std::array<AttentionModel, attention_kernels> attention_forward{};  // [materialised] is unused
  std::array<AttentionModel, attention_kernels> attention_backward{};
  double fused_efficiency = 0;      // of HBM peak, vectorised memory-bound kernels
  double layout_efficiency = 0;     // of HBM peak, RoPE, transposes, permutes
  double embedding_efficiency = 0;  // of HBM peak, gather and scatter of rows
  Seconds kernel_launch{};          // fixed time of a memory-bound kernel
  double reduction_efficiency = 0;  // of NVLink's nominal per-GPU bandwidth, large ring collectives
  double multicast_gain = 1;        // bandwidth of NVLink SHARP all-reduce relative to the ring
  Seconds multicast_latency{};      // of NVLink SHARP all-reduce
  Seconds collective_base{};        // latency of any collective over NVLink
  Seconds collective_step{};        // added per ring step over NVLink
  Bytes context{};                  // CUDA context and modules of a training process
  Bytes blas_workspace{};
  std::vector<Provenance> provenance;
  friend bool operator==(const DeviceProfile&, const DeviceProfile&) = default;
};

struct NetworkProfile {
  std::string name;
  double collective_efficiency = 0;  // of the NICs' nominal rate, large collectives
  double p2p_efficiency = 0;         // of one NIC's nominal rate, pipeline sends
  Seconds step_latency{};            // one inter-node ring step
  Seconds p2p_latency{};
  double pcie_efficiency = 0;     // of nominal PCIe and socket rates
  Seconds pcie_latency{};         // one PCIe ring step
  double routing_efficiency = 1;  // above the first switch level (ECMP collisions, adaptive routing)
  std::vector<Provenance> provenance;
  friend bool operator==(const NetworkProfile&, const NetworkProfile&) = default;
};

enum class TpOverlap {
  none,        // every TP collective stops the compute stream
  backward,    // the collectives of the backward's column-parallel layers run under dgrad or wgrad GEMMs
  userbuffers  // and the others are pipelined with their GEMM, leaving `userbuffers_exposed` of them
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
  P2pMode p2p = P2pMode::blocking;
  bool p2p_scatter_gather = false;  // sends 1/tp of the activation per rank and gathers it over NVLink
  bool overlap_grad_reduce = false;
  bool overlap_param_gather = false;
  double contention = 0;                    // kappa: compute time lost per second of overlapped communication
  double scale_out_slowdown = 0;            // relative time added per doubling of GPUs beyond 8
  double distributed_optimizer_factor = 1;  // time of the ZeRO-1 collectives relative to the link-bound time
  DataType grad_reduce_type = DataType::fp32;
  // host
  Seconds host_forward{};  // least time per layer and micro-batch, however fast the GPU
  Seconds host_backward{};
  double host_tp_growth = 0;  // relative growth of the host floor at tp 8 (linear in log2 tp)
  Seconds host_step{};        // per step: logging, data hand-off
  // optimizer: HBM bytes per parameter
  double optimizer_bytes_local = 16;  // over all parameters of the rank
  double optimizer_bytes_owned = 46;  // over those whose optimizer state the rank owns
  // memory
  double score_memory = 2;           // bytes saved per attention score (materialised attention), without dropout
  double dropout_score_memory = 3;   // added when attention dropout is on: mask and dropped scores
  double norm_saved_extra = 0;       // bytes per token and hidden element kept beyond the norm's input, per norm
  double loss_memory_per_logit = 8;  // bytes held per logit at the peak of the loss
  double logits_copies = 0;          // further logits-sized fp32 buffers alive at that peak
  bool dummy_wgrads = false;         // Transformer Engine's bf16 weight-gradient placeholders
  double fragmentation = 1.05;       // reserved / allocated
  Bytes framework_reserve{};         // NCCL, framework buffers outside the allocator
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
