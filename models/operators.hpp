// The operators of a training step as values: shapes, FLOPs and HBM bytes, no seconds. Formulas: the tables of
// "dense transformer block, per micro-batch, one rank" in Korthikanti et al. 2022 and Narayanan et al. 2021,
// extended to grouped-query attention and gated MLPs. 1 multiply-add = 2 FLOPs.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "models/model_shape.hpp"
#include "models/profile.hpp"
#include "models/training_choices.hpp"
#include "sim/base/hardware.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// C[m x n] = A[m x k] B[k x n], `batch` times. accumulate: adds into an fp32 C (fused weight-gradient accumulation).
// groups > 1: that many independent GEMMs of this shape in one launch (the experts of a rank).
struct Gemm {
  std::int64_t m = 0, n = 0, k = 0, batch = 1;
  bool accumulate = false;
  bool weight_gradient = false;
  std::int64_t groups = 1;
  DataType type = DataType::bf16;  // of A and B: decides the peak
  friend bool operator==(const Gemm&, const Gemm&) = default;
};

// Flash-family attention of `sequences` x `length` queries.
struct Attention {
  std::int64_t sequences = 0, length = 0, heads = 0, d_qk = 0, d_v = 0;
  std::int64_t window = 0;  // keys attended at most; 0 = all
  bool backward = false;
  bool causal = true;     // a query attends to the keys before it only
  std::int64_t keys = 0;  // per sequence, where they are not `length` (context parallelism); 0 = length
  // Of a causal triangle longer than the queries: every query block sees half of `keys` on average.
  bool balanced = false;
  DataType type = DataType::bf16;  // fp8: quantised Q, K and V
  friend bool operator==(const Attention&, const Attention&) = default;
};

enum class MemoryKind { fused, layout, embedding, permute };  // which bandwidth fraction a memory-bound kernel reaches

struct MemoryBound {
  Bytes bytes{};  // HBM traffic
  MemoryKind kind = MemoryKind::fused;
  int launches = 1;
  Bytes transposes{};  // further traffic where the device's fp8 GEMM takes K-major operands only (Hopper)
  friend bool operator==(const MemoryBound&, const MemoryBound&) = default;
};

struct Operator {
  std::string_view name;  // static text: "qkv_proj", "attention" …
  std::variant<Gemm, Attention, MemoryBound> work;
  friend bool operator==(const Operator&, const Operator&) = default;
};
Flops flops(const Operator& op);  // executed, not model FLOPs

// Mean number of distinct members (nodes or ranks) of an expert-parallel group that the experts of one token sit on,
// its k experts drawn without replacement from those that group-limited routing leaves: N (1 - C(E - E/N, k) / C(E,
// k)).
double expected_destinations(const MixtureOfExperts& moe, double members);

enum class CollectiveKind { all_reduce, all_gather, reduce_scatter, all_to_all, broadcast, send_receive };
std::string_view name(CollectiveKind kind);

// The communicator of a collective inside a layer. cp_inner: the all-to-all part of hierarchical context parallelism.
enum class LayerGroup : std::uint8_t { tp, cp, cp_inner, ep, etp };
inline constexpr int layer_groups = 5;
struct LayerCollective {
  LayerGroup group = LayerGroup::tp;
  CollectiveKind kind = CollectiveKind::all_reduce;
  Bytes bytes{};  // NCCL's message size: the whole buffer; per rank what it sends for all-to-all and send-receive
  // Of an all-to-all that does not send every byte to a uniformly drawn member (DeepEP sends a token to a node once):
  // the bytes that leave the rank's innermost tier; negative = as NCCL would.
  Bytes outside{-1.0};
  double exposed = 1.0;  // share that cannot be pipelined with the GEMM it belongs to
  // > 0: pipelined in so many pieces with the GEMM that follows (a gather) or precedes it (a reduction), instead of
  // `exposed`. local_first: one of the pieces needs no communication.
  int pieces = 0;
  bool local_first = false;
  std::string_view label = "activations";  // static text
  friend bool operator==(const LayerCollective&, const LayerCollective&) = default;
};
// What precedes what inside a layer: operators run in order on the compute stream; collectives in order on their
// axis's stream (tp and etp, cp and cp_inner, ep).
struct LayerStep {
  std::variant<Operator, LayerCollective> work;
  // Index of the step that must have ended before this one starts, beyond its stream's order; -1 means: every step
  // before it (a collective that is not overlapped, or the first compute step after one).
  int after = -1;
  bool weight = false;  // belongs to the weight gradients, which a zero-bubble schedule runs later
  friend bool operator==(const LayerStep&, const LayerStep&) = default;
};
using LayerSteps = std::vector<LayerStep>;

// How one rank cuts the model and with which software it runs it.
struct RankSlice {
  std::int64_t sequences = 1;        // micro-batch size
  std::int64_t sequence_length = 0;  // full length
  int tp = 1;
  bool sequence_parallel = false;
  DataType precision = DataType::bf16;
  Fp8Recipe fp8_recipe = Fp8Recipe::delayed;
  bool fp8_attention = false;
  std::int64_t document_length = 0;  // packed documents of this (mean) length attend to themselves only; 0 = unpacked
  TpOverlapMethod tp_overlap_method = TpOverlapMethod::measured;
  int cp = 1;
  ContextParallelKind cp_kind = ContextParallelKind::ring;
  int cp_inner = 1;  // all-to-all part of hierarchical context parallelism; the ring has cp / cp_inner members
  int ep = 1;
  int etp = 1;
  ExpertDispatcher dispatcher = ExpertDispatcher::all_to_all;
  int ep_nodes = 1;             // innermost islands (nodes) that the ranks of one expert-parallel group sit on
  double expert_imbalance = 1;  // tokens of the fullest expert-parallel rank over the mean; dropless routing
  double capacity_factor = 0;   // > 0: every expert processes exactly that many times its mean, padded or dropped
  bool shared_expert_overlap = false;  // shared experts run under dispatch and combine
  friend bool operator==(const RankSlice&, const RankSlice&) = default;
  // Of this rank per micro-batch.
  std::int64_t tokens() const { return sequences * (sequence_length / cp); }
};

// One transformer layer; `moe`: its MLP is a mixture of experts.
LayerSteps layer_forward(const ModelShape& model, bool moe, const RankSlice& slice, const StackProfile& stack);
// Input and weight gradients. Recomputed forward work, if any, comes first: full = the whole layer forward with its
// collectives, selective = its modules.
LayerSteps layer_backward(const ModelShape& model, bool moe, const RankSlice& slice, const StackProfile& stack,
                          const LayerRecompute& recompute);
// The two halves of a backward for schedules that run weight gradients later; together they hold every step once.
LayerSteps input_gradient_steps(const LayerSteps& backward);
LayerSteps weight_gradient_steps(const LayerSteps& backward);
// What a multi-token-prediction module adds to a layer and a head: two norms and the 2h -> h projection.
LayerSteps prediction_forward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);
LayerSteps prediction_backward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);
LayerSteps embedding_forward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);
LayerSteps embedding_backward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);
// Final norm, logits and cross-entropy.
LayerSteps head_forward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);
LayerSteps head_backward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);

}  // namespace trainyard
