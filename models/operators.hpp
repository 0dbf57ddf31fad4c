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
#include "sim/base/hardware.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// C[m x n] = A[m x k] B[k x n], `batch` times. accumulate: adds into an fp32 C (fused weight-gradient accumulation).
struct Gemm {
  std::int64_t m = 0, n = 0, k = 0, batch = 1;
  bool accumulate = false;
  bool weight_gradient = false;
  friend bool operator==(const Gemm&, const Gemm&) = default;
};

// Flash-family attention over `sequences` sequences of `length` queries and keys.
struct Attention {
  std::int64_t sequences = 0, length = 0, heads = 0, d_qk = 0, d_v = 0;
  std::int64_t window = 0;  // keys attended at most; 0 = all
  bool backward = false;
  bool causal = true;  // a query attends to the keys before it only
  friend bool operator==(const Attention&, const Attention&) = default;
};

enum class MemoryKind { fused, layout, embedding };  // which bandwidth fraction a memory-bound kernel reaches

struct MemoryBound {
  Bytes bytes{};  // HBM traffic
  MemoryKind kind = MemoryKind::fused;
  int launches = 1;
  friend bool operator==(const MemoryBound&, const MemoryBound&) = default;
};

struct Operator {
  std::string_view name;  // static text: "qkv_proj", "attention" …
  std::variant<Gemm, Attention, MemoryBound> work;
  friend bool operator==(const Operator&, const Operator&) = default;
};
Flops flops(const Operator& op);  // executed, not model FLOPs

enum class CollectiveKind { all_reduce, all_gather, reduce_scatter, all_to_all, broadcast };
std::string_view name(CollectiveKind kind);

// What precedes what inside a layer: steps run in order on the compute stream; a collective runs on the TP stream.
enum class StepStream { compute, tp };
struct TpCollective {
  CollectiveKind kind = CollectiveKind::all_reduce;
  Bytes bytes{};         // NCCL's message size: the whole buffer
  double exposed = 1.0;  // share that cannot be pipelined with the GEMM it belongs to
  friend bool operator==(const TpCollective&, const TpCollective&) = default;
};
struct LayerStep {
  std::variant<Operator, TpCollective> work;
  // Index of the step that must have ended before this one starts, beyond its stream's order; -1 means: every step
  // before it (a collective that is not overlapped, or the first compute step after one).
  int after = -1;
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
  friend bool operator==(const RankSlice&, const RankSlice&) = default;
  std::int64_t tokens() const { return sequences * sequence_length; }
};

LayerSteps layer_forward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);
// Recomputed forward work, if any, comes first: full = the whole layer forward with its collectives, selective = the
// attention core.
enum class RecomputeKind { none, selective, full };
LayerSteps layer_backward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack,
                          RecomputeKind recompute);
LayerSteps embedding_forward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);
LayerSteps embedding_backward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);
// Final norm, logits and cross-entropy.
LayerSteps head_forward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);
LayerSteps head_backward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);

}  // namespace trainyard
