// The steps of one pass of one layer, written in order. Used by operators*.cpp only.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "models/operators.hpp"

namespace trainyard {

inline constexpr int after_everything = -1;

// Of a linear layer: the names of its backward GEMMs and its output and input widths on this rank.
struct Linear {
  std::string_view dgrad;
  std::string_view wgrad;
  std::int64_t n = 0;
  std::int64_t k = 0;
  DataType type = DataType::bf16;
};

// Widths are per rank. The attention core works on `heads` query heads of d_qk (scores) and d_v (values).
class LayerBuilder {
 public:
  LayerBuilder(const ModelShape& model, const RankSlice& slice, const StackProfile& stack);
  LayerSteps take() { return std::move(steps_); }

  const ModelShape& model() const { return model_; }
  const RankSlice& slice() const { return slice_; }
  const StackProfile& stack() const { return stack_; }
  double beta() const { return beta_; }  // bytes of an activation's element
  std::int64_t tokens() const { return tokens_; }
  // Of this rank outside the tensor-parallel regions: a tp-th of the tokens under sequence parallelism.
  std::int64_t local_tokens() const { return local_tokens_; }
  std::int64_t hidden() const { return model_.hidden; }
  std::int64_t heads() const { return heads_; }
  std::int64_t d_qk() const { return d_qk_; }
  std::int64_t d_v() const { return d_v_; }
  std::int64_t q_width() const { return q_; }
  std::int64_t k_width() const { return k_; }
  std::int64_t v_width() const { return v_; }
  std::int64_t qkv_width() const { return q_ + k_ + v_; }
  std::int64_t context_width() const { return context_; }  // of the attention output
  std::int64_t vocabulary() const { return vocabulary_; }
  std::int64_t up_width(std::int64_t inner) const { return (model_.gated_mlp ? 2 : 1) * inner; }
  bool dropout() const { return stack_.dropout || model_.dropout > 0; }
  bool sequence_parallel() const { return slice_.sequence_parallel && slice_.tp > 1; }
  DataType linear_type() const { return linear_type_; }  // of the operands of the transformer's linear layers
  double elements(std::int64_t rows, std::int64_t width) const { return static_cast<double>(rows * width); }
  Bytes activation_bytes(std::int64_t width) const { return Bytes(beta_ * elements(tokens_, width)); }
  int last() const { return static_cast<int>(steps_.size()) - 1; }

  int push(Operator op, int after = after_everything, bool weight = false);
  int push(const LayerCollective& collective, int after = after_everything);
  int gemm(std::string_view name, const Gemm& gemm, int after = after_everything);
  // Adds to the weight gradient, in a kernel of its own unless the stack fuses it.
  int wgrad(std::string_view name, Gemm gemm, int after = after_everything);
  // `fused` traffic is scaled by how well the stack fuses it.
  int memory(std::string_view name, Bytes bytes, MemoryKind kind = MemoryKind::fused, int launches = 1,
             int after = after_everything);
  // A collective over the tensor-parallel group; none, and -1, where it has one member.
  int tensor_collective(CollectiveKind kind, Bytes bytes, int after = after_everything, double exposed = 1.0);
  // Casts `local` elements to the linear layers' low precision and lays `gathered` of them out for the weight gradient;
  // nothing at 16 bit. Weights are cast once a step, which is not charged.
  void quantise(std::string_view name, double local, double gathered, int after = after_everything);
  void quantise(std::string_view name, double elements) { quantise(name, elements, elements); }

  // The same, pipelined with the GEMM it belongs to where the stack does so.
  void pipelined_collective(CollectiveKind kind, Bytes bytes);
  // Bytes of a gathered [tokens x width] linear input: one byte an element where it is cast first.
  Bytes wire_bytes(std::int64_t width, DataType type) const;
  void gather_forward(std::int64_t width, DataType type);
  void reduce_forward(std::int64_t width);

  void norm_forward();
  void norm_backward();
  void residual_forward();
  void residual_backward();
  void activation_forward(std::string_view name, double rows, std::int64_t inner, int after = after_everything);
  void activation_backward(std::string_view name, double rows, std::int64_t inner, int after = after_everything);

  // Linear layers cut by columns (input gathered from the sequence) and by rows (output reduced).
  void column_forward(std::string_view name, std::int64_t n, std::int64_t k);
  void row_forward(std::string_view name, std::int64_t n, std::int64_t k);
  // The saved input is gathered again under dgrad (sequence parallel), the input gradient is reduced under wgrad, if
  // the stack overlaps at all.
  void column_backward(const Linear& linear);
  void row_backward(const Linear& linear);

 private:
  double pipelined() const;  // share of a TP collective that its GEMM does not hide
  void set_attention_widths();
  void norm(std::string_view name, double layernorm_passes, double rms_passes);

  const ModelShape& model_;
  const RankSlice& slice_;
  const StackProfile& stack_;
  double beta_;
  DataType linear_type_;
  std::int64_t tokens_ = 0, local_tokens_ = 0;
  std::int64_t heads_ = 0, d_qk_ = 0, d_v_ = 0;
  std::int64_t q_ = 0, k_ = 0, v_ = 0, context_ = 0, vocabulary_ = 0;
  Bytes sharded_act_{};
  LayerSteps steps_;
};

// Norm, attention, residual.
void attention_block_forward(LayerBuilder& b);
void attention_block_backward(LayerBuilder& b, const LayerRecompute& recompute);
// The attention core alone with its context-parallel exchange.
void attention_core_forward(LayerBuilder& b);
void attention_core_backward(LayerBuilder& b);

// Norm, MLP, residual.
void mlp_block_forward(LayerBuilder& b);
void mlp_block_backward(LayerBuilder& b, const LayerRecompute& recompute);

// Shared experts: a dense MLP of every token; width on this rank, 0 = none.
std::int64_t shared_expert_width(const LayerBuilder& b);
void shared_experts_forward(LayerBuilder& b);
void shared_experts_backward(LayerBuilder& b);
// The same in two parts that run beside the exchange of routed tokens which has just been started: they wait for
// `before`, a step of the compute stream, instead of for that exchange.
void shared_up_beside(LayerBuilder& b, int before);
void shared_down_beside(LayerBuilder& b, int before);
void shared_down_backward_beside(LayerBuilder& b, int before);
void shared_up_backward_beside(LayerBuilder& b, int before);

// Norm, router, routed and shared experts, residual.
void moe_block_forward(LayerBuilder& b);
void moe_block_backward(LayerBuilder& b, const LayerRecompute& recompute);

}  // namespace trainyard
