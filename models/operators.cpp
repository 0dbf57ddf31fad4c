#include "models/operators.hpp"

#include <algorithm>
#include <utility>

namespace trainyard {
namespace {

constexpr int after_everything = -1;

double element_bytes(const RankSlice& slice) {
  return bytes_per_element(slice.precision == DataType::fp8 ? DataType::bf16 : slice.precision);
}

// Builds the step list of one pass of one layer. Widths are per rank; `act` is one hidden-sized activation in bytes.
class Builder {
 public:
  Builder(const ModelShape& model, const RankSlice& slice, const StackProfile& stack)
      : model_(model), slice_(slice), stack_(stack), beta_(element_bytes(slice)) {
    const std::int64_t t = slice.tp;
    tokens_ = slice.tokens();
    q_ = model.q_width() / t;
    kv_ = model.head_dim * std::max<std::int64_t>(1, model.kv_heads / t);
    ffn_ = model.ffn / t;
    heads_ = std::max<std::int64_t>(1, model.heads / t);
    vocabulary_ = padded_vocabulary(model, slice.tp) / t;
    act_ = Bytes(beta_ * static_cast<double>(tokens_ * model.hidden));
    sharded_act_ = slice.sequence_parallel ? act_ / static_cast<double>(t) : act_;
  }

  LayerSteps take() { return std::move(steps_); }
  std::int64_t hidden() const { return model_.hidden; }
  bool dropout() const { return stack_.dropout || model_.dropout > 0; }

  int gemm(std::string_view name, std::int64_t m, std::int64_t n, std::int64_t k, int after = after_everything) {
    return push(Operator{name, Gemm{m, n, k}}, after);
  }
  int dgrad(std::string_view name, std::int64_t n, std::int64_t k, int after = after_everything) {
    return gemm(name, tokens_, k, n, after);
  }
  int wgrad(std::string_view name, std::int64_t n, std::int64_t k, int after = after_everything) {
    Gemm g{n, k, tokens_};
    g.weight_gradient = true;
    g.accumulate = stack_.fused_wgrad_accumulation;
    const int step = push(Operator{name, g}, after);
    if (stack_.fused_wgrad_accumulation) return step;
    // Reads the 2-byte gradient, reads and writes the 4-byte accumulator.
    return push(
        Operator{"wgrad_accumulate", MemoryBound{Bytes(10.0 * static_cast<double>(n * k)), MemoryKind::fused, 1}},
        step);
  }
  int memory(std::string_view name, Bytes bytes, MemoryKind kind = MemoryKind::fused, int launches = 1) {
    if (kind == MemoryKind::fused) bytes *= stack_.elementwise_factor;
    return push(Operator{name, MemoryBound{bytes, kind, launches}}, after_everything);
  }
  // A TP collective of one hidden-sized activation. Returns -1 (everything) where there is no tensor parallelism.
  int collective(CollectiveKind kind, int after = after_everything, double exposed = 1.0) {
    if (slice_.tp == 1) return after_everything;
    steps_.push_back({TpCollective{kind, act_, exposed}, after});
    return static_cast<int>(steps_.size()) - 1;
  }
  double pipelined() const {
    return stack_.tp_overlap == TpOverlap::userbuffers && slice_.sequence_parallel ? stack_.userbuffers_exposed : 1.0;
  }
  void gather_forward() {
    if (slice_.sequence_parallel) collective(CollectiveKind::all_gather, after_everything, pipelined());
  }
  void reduce_forward() {
    collective(slice_.sequence_parallel ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce, after_everything,
               pipelined());
  }

  void norm_forward() {
    const bool rms = model_.norm == NormKind::rmsnorm;
    memory("norm", (rms ? stack_.rms_norm_passes_forward : stack_.norm_passes_forward) * sharded_act_);
  }
  void norm_backward() {
    const bool rms = model_.norm == NormKind::rmsnorm;
    memory("norm_backward", (rms ? stack_.rms_norm_passes_backward : stack_.norm_passes_backward) * sharded_act_);
  }
  // Half a byte-wide mask per two-byte element when dropout is on.
  void residual_forward() {
    memory("bias_dropout_add", (stack_.residual_passes_forward + (dropout() ? 0.5 : 0.0)) * sharded_act_);
  }
  void residual_backward() {
    memory("bias_dropout_add_backward", (stack_.residual_passes_backward + (dropout() ? 0.5 : 0.0)) * sharded_act_);
  }

  void rope() {
    if (model_.position != PositionEncoding::rope) return;
    const double passes = stack_.fused_rope ? 2.0 : 8.0;  // unfused: rotate-half, two products and a sum, each R+W
    memory("rope", Bytes(passes * beta_ * per_token(q_ + kv_)), MemoryKind::layout, stack_.fused_rope ? 2 : 8);
  }
  void qkv_copies() {
    if (stack_.qkv_copies <= 0) return;
    memory("qkv_layout", Bytes(2.0 * beta_ * stack_.qkv_copies * per_token(q_ + 2 * kv_)), MemoryKind::layout);
  }

  void attention_forward() {
    if (stack_.attention != AttentionKernel::materialised) {
      push(Operator{"attention", flash(false)}, after_everything);
      return;
    }
    const std::int64_t s = slice_.sequence_length;
    const std::int64_t batch = slice_.sequences * heads_;
    push(Operator{"scores", Gemm{s, s, model_.head_dim, batch}}, after_everything);
    const double passes = stack_.score_passes_forward + (dropout() ? stack_.dropout_score_passes_forward : 0.0);
    push(Operator{"softmax", MemoryBound{passes * score_bytes(), MemoryKind::fused, 3}}, after_everything);
    push(Operator{"context", Gemm{s, model_.head_dim, s, batch}}, after_everything);
  }
  void attention_backward() {
    if (stack_.attention != AttentionKernel::materialised) {
      push(Operator{"attention_backward", flash(true)}, after_everything);
      return;
    }
    const std::int64_t s = slice_.sequence_length;
    const std::int64_t batch = slice_.sequences * heads_;
    push(Operator{"context_backward", Gemm{s, s, model_.head_dim, 2 * batch}}, after_everything);
    const double passes = stack_.score_passes_backward + (dropout() ? stack_.dropout_score_passes_backward : 0.0);
    push(Operator{"softmax_backward", MemoryBound{passes * score_bytes(), MemoryKind::fused, 3}}, after_everything);
    push(Operator{"scores_backward", Gemm{s, model_.head_dim, s, 2 * batch}}, after_everything);
  }

  void activation_forward() {
    const double width = model_.gated_mlp ? 3.0 : 2.0;  // reads gate and up, or up; writes the product
    memory("activation", Bytes(width * beta_ * per_token(ffn_)));
  }
  void activation_backward() {
    const double width = model_.gated_mlp ? 5.0 : 3.0;
    memory("activation_backward", Bytes(width * beta_ * per_token(ffn_)));
  }

  // Backward of a column-parallel linear: the saved input is gathered again under dgrad (sequence parallel), the
  // input gradient is reduced under wgrad, if the stack overlaps at all.
  void column_backward(std::string_view dgrad_name, std::string_view wgrad_name, std::int64_t n) {
    const bool overlap = stack_.tp_overlap != TpOverlap::none;
    const int before = static_cast<int>(steps_.size()) - 1;
    int gathered = after_everything;
    if (slice_.sequence_parallel && slice_.tp > 1) gathered = collective(CollectiveKind::all_gather);
    const int data = dgrad(dgrad_name, n, hidden(), overlap ? before : after_everything);
    if (slice_.tp > 1)
      collective(slice_.sequence_parallel ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce, data);
    if (overlap) {
      wgrad(wgrad_name, n, hidden(), gathered >= 0 ? gathered : data);
    } else {
      wgrad(wgrad_name, n, hidden());
    }
  }
  void row_backward(std::string_view dgrad_name, std::string_view wgrad_name, std::int64_t k) {
    if (slice_.sequence_parallel && slice_.tp > 1)
      collective(CollectiveKind::all_gather, after_everything, pipelined());
    dgrad(dgrad_name, hidden(), k);
    wgrad(wgrad_name, hidden(), k);
  }

  double per_token(std::int64_t width) const { return static_cast<double>(tokens_ * width); }
  std::int64_t tokens() const { return tokens_; }
  std::int64_t qkv_width() const { return q_ + 2 * kv_; }
  std::int64_t q_width() const { return q_; }
  std::int64_t ffn() const { return ffn_; }
  std::int64_t up_width() const { return (model_.gated_mlp ? 2 : 1) * ffn_; }
  std::int64_t vocabulary() const { return vocabulary_; }
  Bytes activation_bytes() const { return act_; }
  double beta() const { return beta_; }
  const ModelShape& model() const { return model_; }
  const RankSlice& slice() const { return slice_; }
  const StackProfile& stack() const { return stack_; }

  // Three small all-reduces of the vocabulary-parallel loss: maximum, target logit, sum of exponentials, 4 B a token.
  void loss_reductions() {
    if (slice_.tp == 1) return;
    for (int i = 0; i < 3; ++i)
      steps_.push_back(
          {TpCollective{CollectiveKind::all_reduce, Bytes(4.0 * static_cast<double>(tokens_)), 1.0}, after_everything});
  }

 private:
  int push(Operator op, int after) {
    steps_.push_back({op, after});
    return static_cast<int>(steps_.size()) - 1;
  }
  Bytes score_bytes() const {
    const double s = static_cast<double>(slice_.sequence_length);
    return Bytes(beta_ * static_cast<double>(slice_.sequences * heads_) * s * s);
  }
  Attention flash(bool backward) const {
    return Attention{slice_.sequences, slice_.sequence_length, heads_,   model_.head_dim,
                     model_.head_dim,  model_.sliding_window,  backward, true};
  }

  const ModelShape& model_;
  const RankSlice& slice_;
  const StackProfile& stack_;
  double beta_;
  std::int64_t tokens_ = 0, q_ = 0, kv_ = 0, ffn_ = 0, heads_ = 0, vocabulary_ = 0;
  Bytes act_{}, sharded_act_{};
  LayerSteps steps_;
};

void forward_steps(Builder& b) {
  b.norm_forward();
  b.gather_forward();
  b.gemm("qkv_proj", b.tokens(), b.qkv_width(), b.hidden());
  b.qkv_copies();
  b.rope();
  b.attention_forward();
  b.gemm("out_proj", b.tokens(), b.hidden(), b.q_width());
  b.reduce_forward();
  b.residual_forward();
  b.norm_forward();
  b.gather_forward();
  b.gemm("mlp_up", b.tokens(), b.up_width(), b.hidden());
  b.activation_forward();
  b.gemm("mlp_down", b.tokens(), b.hidden(), b.ffn());
  b.reduce_forward();
  b.residual_forward();
}

// Share of the loss traffic that runs in the forward: Megatron's vocab_parallel_cross_entropy moves 38 of its
// 52 bytes per logit there.
constexpr double loss_forward_share = 38.0 / 52.0;

}  // namespace

std::string_view name(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::all_reduce:
      return "all-reduce";
    case CollectiveKind::all_gather:
      return "all-gather";
    case CollectiveKind::reduce_scatter:
      return "reduce-scatter";
    case CollectiveKind::all_to_all:
      return "all-to-all";
    case CollectiveKind::broadcast:
      return "broadcast";
  }
  return "?";
}

Flops flops(const Operator& op) {
  if (const auto* g = std::get_if<Gemm>(&op.work))
    return Flops(2.0 * static_cast<double>(g->m) * static_cast<double>(g->n) * static_cast<double>(g->k) *
                 static_cast<double>(g->batch));
  if (const auto* a = std::get_if<Attention>(&op.work)) {
    const double s = static_cast<double>(a->length);
    const double w = a->window > 0 ? std::min(s, static_cast<double>(a->window)) : s;
    const double mean_keys = a->causal ? w * (1.0 - (w - 1.0) / (2.0 * s)) : w;
    const double per_pair =
        a->backward ? 2.0 * static_cast<double>(3 * a->d_qk + 2 * a->d_v) : 2.0 * static_cast<double>(a->d_qk + a->d_v);
    return Flops(per_pair * mean_keys * s * static_cast<double>(a->sequences * a->heads));
  }
  return Flops(0);
}

LayerSteps layer_forward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  Builder b(model, slice, stack);
  forward_steps(b);
  return b.take();
}

LayerSteps layer_backward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack,
                          RecomputeKind recompute) {
  Builder b(model, slice, stack);
  if (recompute == RecomputeKind::full) forward_steps(b);
  b.residual_backward();
  b.row_backward("mlp_down_dgrad", "mlp_down_wgrad", b.ffn());
  b.activation_backward();
  b.column_backward("mlp_up_dgrad", "mlp_up_wgrad", b.up_width());
  b.norm_backward();
  b.residual_backward();
  b.row_backward("out_proj_dgrad", "out_proj_wgrad", b.q_width());
  if (recompute == RecomputeKind::selective) b.attention_forward();
  b.attention_backward();
  b.rope();
  b.qkv_copies();
  b.column_backward("qkv_proj_dgrad", "qkv_proj_wgrad", b.qkv_width());
  b.norm_backward();
  return b.take();
}

LayerSteps embedding_forward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  Builder b(model, slice, stack);
  // Reads 8-byte ids and the rows, writes the output; vocabulary-parallel ranks also mask what is not theirs.
  const double passes = slice.tp > 1 ? 4.0 : 2.0;
  b.memory("embedding", passes * b.activation_bytes() + Bytes(8.0 * static_cast<double>(b.tokens())),
           MemoryKind::embedding);
  b.reduce_forward();
  if (model.position == PositionEncoding::learned) b.memory("position_embedding", 3.0 * b.activation_bytes());
  return b.take();
}

LayerSteps embedding_backward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  Builder b(model, slice, stack);
  if (slice.sequence_parallel) b.collective(CollectiveKind::all_gather);
  // Reads the gradient, reads and writes the 4-byte main gradient of the rows it hits.
  b.memory("embedding_backward", b.activation_bytes() + Bytes(8.0 * b.per_token(model.hidden)), MemoryKind::embedding);
  return b.take();
}

LayerSteps head_forward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  Builder b(model, slice, stack);
  b.norm_forward();
  b.gather_forward();
  b.gemm("logits", b.tokens(), b.vocabulary(), b.hidden());
  b.memory("cross_entropy", Bytes(loss_forward_share * stack.loss_bytes_per_logit * b.per_token(b.vocabulary())));
  b.loss_reductions();
  return b.take();
}

LayerSteps head_backward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  Builder b(model, slice, stack);
  b.memory("cross_entropy_backward",
           Bytes((1.0 - loss_forward_share) * stack.loss_bytes_per_logit * b.per_token(b.vocabulary())));
  b.column_backward("logits_dgrad", "logits_wgrad", b.vocabulary());
  b.norm_backward();
  return b.take();
}

}  // namespace trainyard
