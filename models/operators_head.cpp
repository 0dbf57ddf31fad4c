// Embedding, head with its loss, and the projection of a multi-token-prediction module.
#include "models/operators_builder.hpp"

namespace trainyard {
namespace {

// Share of the loss traffic that runs in the forward: Megatron's vocab_parallel_cross_entropy moves 38 of its
// 52 bytes per logit there.
constexpr double loss_forward_share = 38.0 / 52.0;

double logits(const LayerBuilder& b) { return b.elements(b.tokens(), b.vocabulary()); }

// The loss's sums over the vocabulary: maximum, target logit, sum of exponentials, 4 B a token.
void loss_reductions(LayerBuilder& b) {
  for (int i = 0; i < 3; ++i)
    b.tensor_collective(CollectiveKind::all_reduce, Bytes(4.0 * static_cast<double>(b.tokens())));
}

}  // namespace

LayerSteps embedding_forward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  LayerBuilder b(model, slice, stack);
  const Bytes act = b.activation_bytes(model.hidden);
  // Reads 8-byte ids and the rows, writes the output; vocabulary-parallel ranks also mask what is not theirs.
  const double passes = slice.tp > 1 ? 4.0 : 2.0;
  b.memory("embedding", passes * act + Bytes(8.0 * static_cast<double>(b.tokens())), MemoryKind::embedding);
  b.reduce_forward(model.hidden);
  if (model.position == PositionEncoding::learned) b.memory("position_embedding", 3.0 * act);
  return b.take();
}

LayerSteps embedding_backward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  LayerBuilder b(model, slice, stack);
  const Bytes act = b.activation_bytes(model.hidden);
  if (slice.sequence_parallel) b.tensor_collective(CollectiveKind::all_gather, act);
  // Reads the gradient, reads and writes the 4-byte main gradient of the rows it hits.
  b.memory("embedding_backward", act + Bytes(8.0 * b.elements(b.tokens(), model.hidden)), MemoryKind::embedding);
  return b.take();
}

LayerSteps head_forward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  LayerBuilder b(model, slice, stack);
  b.norm_forward();
  b.gather_forward(model.hidden, DataType::bf16);
  b.gemm("logits", {.m = b.tokens(), .n = b.vocabulary(), .k = model.hidden});
  b.memory("cross_entropy", Bytes(loss_forward_share * stack.loss_bytes_per_logit * logits(b)));
  loss_reductions(b);
  return b.take();
}

LayerSteps head_backward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  LayerBuilder b(model, slice, stack);
  b.memory("cross_entropy_backward", Bytes((1.0 - loss_forward_share) * stack.loss_bytes_per_logit * logits(b)));
  b.column_backward({.dgrad = "logits_dgrad", .wgrad = "logits_wgrad", .n = b.vocabulary(), .k = model.hidden});
  b.norm_backward();
  return b.take();
}

// Megatron-core's multi_token_prediction.py: the norms of hidden state and embedding, their concatenation through a
// column-parallel 2h -> h projection whose output is gathered.
LayerSteps prediction_forward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  LayerBuilder b(model, slice, stack);
  b.norm_forward();
  b.norm_forward();
  b.column_forward("prediction_proj", model.hidden / slice.tp, 2 * model.hidden);
  b.tensor_collective(CollectiveKind::all_gather, b.activation_bytes(model.hidden));
  return b.take();
}

LayerSteps prediction_backward(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  LayerBuilder b(model, slice, stack);
  if (slice.sequence_parallel) b.tensor_collective(CollectiveKind::all_gather, b.activation_bytes(model.hidden));
  b.column_backward({.dgrad = "prediction_proj_dgrad",
                     .wgrad = "prediction_proj_wgrad",
                     .n = model.hidden / slice.tp,
                     .k = 2 * model.hidden,
                     .type = b.linear_type()});
  b.norm_backward();
  b.norm_backward();
  return b.take();
}

}  // namespace trainyard
