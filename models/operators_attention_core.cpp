// The attention core and what context parallelism exchanges around it. Kinds as Transformer Engine's
// attention/dot_product_attention/context_parallel.py: ring attention (arXiv 2310.01889) with each rank holding chunks
// i and 2c-1-i of the sequence, all-gathered keys and values (Llama 3, arXiv 2407.21783 section 3.3.2), Ulysses
// (arXiv 2309.14509), and Ulysses inside a ring.
#include <algorithm>

#include "models/operators_builder.hpp"

namespace trainyard {
namespace {

// Queries of one sequence and the keys they see.
struct CoreExtent {
  std::int64_t heads = 0;
  std::int64_t queries = 0;
  std::int64_t keys = 0;  // 0 = as many as queries
  bool causal = true;
  bool balanced = false;
};

class AttentionCore {
 public:
  AttentionCore(LayerBuilder& b, bool backward) : b_(b), slice_(b.slice()), backward_(backward) {
    const bool packed = slice_.document_length > 0 && slice_.document_length < slice_.sequence_length;
    // Kernels that write the scores mask what a document does not see; they do not skip it.
    packed_ = packed && !materialised();
    document_ = packed_ ? slice_.document_length : slice_.sequence_length;
  }

  void run() {
    if (slice_.cp == 1) return whole_sequence(b_.heads());
    switch (kind()) {
      case ContextParallelKind::ring:
        return ring(slice_.cp, b_.heads());
      case ContextParallelKind::all_gather:
        return gathered_keys();
      case ContextParallelKind::ulysses:
        return heads_for_sequence(LayerGroup::cp, slice_.cp);
      case ContextParallelKind::hierarchical:
        return heads_for_sequence(LayerGroup::cp_inner, std::max(1, slice_.cp_inner));
    }
  }

 private:
  bool materialised() const { return b_.stack().attention == AttentionKernel::materialised; }
  // A ring would pass keys on that no query of a short window reads; Transformer Engine gathers them instead.
  ContextParallelKind kind() const {
    const std::int64_t window = b_.model().sliding_window;
    const bool windowed = window > 0 && window < slice_.sequence_length;
    return windowed && slice_.cp_kind == ContextParallelKind::ring ? ContextParallelKind::all_gather : slice_.cp_kind;
  }
  double key_value_bytes() const { return slice_.fp8_attention ? bytes_per_element(DataType::fp8) : b_.beta(); }
  Bytes key_values() const {  // K and V, or their gradients, of this rank's tokens
    return Bytes(key_value_bytes() * b_.elements(b_.tokens(), b_.k_width() + b_.v_width()));
  }
  int exchange(LayerGroup group, CollectiveKind kind, Bytes bytes, std::string_view label,
               int after = after_everything) {
    LayerCollective c;
    c.group = group;
    c.kind = kind;
    c.bytes = bytes;
    c.label = label;
    return b_.push(c, after);
  }

  void whole_sequence(std::int64_t heads) {
    kernel({heads, slice_.sequence_length, packed_ ? document_ : 0, true, packed_}, after_everything);
  }

  void gathered_keys() {
    const Bytes all = static_cast<double>(slice_.cp) * key_values();
    // The backward keeps the rank's own keys and values only and gathers the others again.
    exchange(LayerGroup::cp, CollectiveKind::all_gather, all, "keys and values");
    kernel({b_.heads(), slice_.sequence_length / slice_.cp, document_, true, true}, after_everything);
    if (backward_) exchange(LayerGroup::cp, CollectiveKind::reduce_scatter, all, "gradients of keys and values");
  }

  // All-to-all of Q, K and V before and of the output after; the backward sends dO and receives dQ, dK and dV.
  void heads_for_sequence(LayerGroup group, int members) {
    const auto [group_heads, group_keys] = exchanged_widths(members);
    const Bytes qkv(key_value_bytes() * b_.elements(b_.tokens(), group_keys));
    const Bytes output = b_.activation_bytes(b_.context_width());
    exchange(group, CollectiveKind::all_to_all, backward_ ? output : qkv, "attention heads");
    if (group == LayerGroup::cp_inner && slice_.cp / members > 1) {
      ring(slice_.cp / members, group_heads);
    } else {
      whole_sequence(group_heads);
    }
    exchange(group, CollectiveKind::all_to_all, backward_ ? qkv : output, "attention heads");
  }
  struct ExchangedWidths {
    std::int64_t heads;
    std::int64_t qkv;
  };
  // Every member needs a key and value head: fewer are copied.
  ExchangedWidths exchanged_widths(int members) const {
    const std::int64_t k = std::max(b_.k_width(), b_.d_qk() * members);
    const std::int64_t v = std::max(b_.v_width(), b_.d_v() * members);
    return {std::max<std::int64_t>(1, b_.heads() / members), b_.q_width() + k + v};
  }

  // Step 0 is causal over the rank's own two chunks; every later one is half a square: all its queries against the
  // first chunk of an earlier rank, or its second chunk against both of a later one.
  CoreExtent ring_step(int step, int members, std::int64_t heads) const {
    const std::int64_t queries = slice_.sequence_length / members;
    const std::int64_t own = std::max<std::int64_t>(1, document_ / members);
    if (step == 0) return {heads, queries, packed_ ? own : 0, true, packed_};
    return {heads, queries, std::max<std::int64_t>(1, own / 2), false, false};
  }

  void ring(int members, std::int64_t heads) {
    if (backward_) {
      ring_backward(members, heads);
    } else {
      ring_forward(members, heads);
    }
  }
  // Keys and values of the next step travel beside the attention of this one.
  void ring_forward(int members, std::int64_t heads) {
    int arrived = b_.last();
    for (int step = 0; step < members; ++step) {
      const int ready = arrived;
      if (step + 1 < members)
        arrived = exchange(LayerGroup::cp, CollectiveKind::send_receive, key_values(), "keys and values", ready);
      kernel(ring_step(step, members, heads), ready);
    }
    merge("context_merge", members, b_.context_width());
  }
  // A rank's keys come first alone, then with the gradients gathered so far, which alone make the last hop home.
  void ring_backward(int members, std::int64_t heads) {
    int arrived = b_.last();
    int computed = arrived;
    for (int step = 0; step < members; ++step) {
      const int ready = arrived;
      const double tensors = (step + 1 < members ? 1.0 : 0.0) + (step > 0 ? 1.0 : 0.0);
      if (tensors > 0)
        arrived = exchange(LayerGroup::cp, CollectiveKind::send_receive, tensors * key_values(),
                           step > 0 ? "keys, values and gradients" : "keys and values", computed);
      computed = kernel(ring_step(step, members, heads), ready);
    }
    merge("gradient_merge", members, b_.q_width() + b_.k_width() + b_.v_width());
  }
  // Every partial result is read and added to the sum, which is read and written. The heads that hierarchical
  // parallelism moves leave a rank's bytes as they were.
  void merge(std::string_view name, int members, std::int64_t width) {
    constexpr double passes = 3.0;
    b_.memory(name, passes * members * b_.activation_bytes(width), MemoryKind::fused, members);
  }

  int kernel(const CoreExtent& e, int after) { return materialised() ? scores(e, after) : flash(e, after); }

  int flash(const CoreExtent& e, int after) {
    Attention a;
    a.sequences = slice_.sequences;
    a.length = e.queries;
    a.heads = e.heads;
    a.d_qk = b_.d_qk();
    a.d_v = b_.d_v();
    a.window = e.causal ? b_.model().sliding_window : 0;
    a.backward = backward_;
    a.causal = e.causal;
    a.keys = e.keys;
    a.balanced = e.balanced;
    if (slice_.fp8_attention) a.type = DataType::fp8;
    return b_.push(Operator{backward_ ? "attention_backward" : "attention", a}, after);
  }

  // QK^T, softmax and PV in kernels of their own; of a backward two products each.
  int scores(const CoreExtent& e, int after) {
    const StackProfile& stack = b_.stack();
    const std::int64_t keys = e.keys > 0 ? e.keys : e.queries;
    const std::int64_t batch = slice_.sequences * e.heads * (backward_ ? 2 : 1);
    double passes = backward_ ? stack.score_passes_backward : stack.score_passes_forward;
    if (b_.dropout()) passes += backward_ ? stack.dropout_score_passes_backward : stack.dropout_score_passes_forward;
    const double entries =
        static_cast<double>(slice_.sequences * e.heads) * static_cast<double>(e.queries) * static_cast<double>(keys);
    const Gemm to_scores{.m = e.queries, .n = keys, .k = backward_ ? b_.d_v() : b_.d_qk(), .batch = batch};
    const Gemm from_scores{.m = e.queries, .n = backward_ ? b_.d_qk() : b_.d_v(), .k = keys, .batch = batch};
    const auto next = [&](int step) { return after < 0 ? after_everything : step; };
    int step = b_.gemm(backward_ ? "context_backward" : "scores", to_scores, after);
    const MemoryBound softmax{Bytes(passes * (b_.beta() * entries)), MemoryKind::fused, 3};
    step = b_.push(Operator{backward_ ? "softmax_backward" : "softmax", softmax}, next(step));
    return b_.gemm(backward_ ? "scores_backward" : "context", from_scores, next(step));
  }

  LayerBuilder& b_;
  const RankSlice& slice_;
  bool backward_;
  bool packed_ = false;
  std::int64_t document_ = 0;
};

}  // namespace

void attention_core_forward(LayerBuilder& b) { AttentionCore(b, false).run(); }
void attention_core_backward(LayerBuilder& b) { AttentionCore(b, true).run(); }

}  // namespace trainyard
