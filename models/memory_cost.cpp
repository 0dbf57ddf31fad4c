#include "models/memory_cost.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "models/memory_widths.hpp"

namespace trainyard {
namespace {

// --- backward working set ---

// Gradients of the core's output and of Q, K and V.
double attention_gradients(const MemoryWidths& w) { return w.element * (w.context + w.q + w.k + w.v) * w.tokens; }

// Gradients of the activation's output and of its inputs.
double mlp_gradients(const MemoryWidths& w, double ffn, double tokens) {
  return w.element * (1.0 + w.up) * ffn * tokens;
}

// As mlp_gradients, or those of the inputs and of the routed tokens that the first matrices give.
double routed_gradients(const MemoryWidths& w) {
  const double token_gradients = w.element * (w.up * w.expert_ffn + w.hidden) * w.routed;
  return std::max(mlp_gradients(w, w.expert_ffn, w.routed), token_gradients);
}

// --- communication buffers ---

double tensor_parallel_buffers(const MemoryWidths& w, const RankSlice& slice, const StackProfile& stack) {
  if (slice.tp == 1) return 0;
  double buffers = slice.sequence_parallel ? 2.0 : 1.0;
  if (stack.tp_overlap == TpOverlap::userbuffers && slice.sequence_parallel) buffers += 4.0;  // qkv, proj, fc1, fc2
  return buffers * w.element * w.hidden * w.tokens;
}

// Transformer Engine's context_parallel.py. Ring: two buffers of the K, V, dK and dV that travel. Gather: the whole
// sequence's K and V and their gradients. All-to-all: Q, K and V, or their gradients, in the other layout.
double context_parallel_buffers(const MemoryWidths& w, const RankSlice& slice) {
  if (slice.cp == 1) return 0;
  const double kv = w.element * (w.k + w.v) * w.tokens;
  const double ring = 2.0 * 2.0 * kv;
  const double exchange = w.element * w.q * w.tokens + kv;
  switch (slice.cp_kind) {
    case ContextParallelKind::ring:
      return ring;
    case ContextParallelKind::all_gather:
      return 2.0 * slice.cp * kv;
    case ContextParallelKind::ulysses:
      return exchange;
    case ContextParallelKind::hierarchical:
      return exchange + (slice.cp > slice.cp_inner ? ring : 0.0);
  }
  return 0;
}

// DeepEP's receive rings (csrc/config.hpp and the defaults of Config in deep_ep/buffer.py): half as many channels as
// its 20 SMs; per channel and peer 256 tokens on NVLink, per channel and node 128 to send and 128 to receive by RDMA.
// A token crosses in 16 bit, or 8 bit and scales, which the buffer is not made smaller for.
double deepep_buffers(const MemoryWidths& w, const RankSlice& slice) {
  constexpr double channels = 10, nvlink_tokens = 256, rdma_tokens = 2 * 128;
  const double nodes = std::max(1, slice.ep_nodes);
  const double ranks = slice.ep * slice.etp;
  const double nvlink = channels * std::ceil(ranks / nodes) * nvlink_tokens;
  const double rdma = nodes > 1 ? channels * nodes * rdma_tokens : 0.0;
  return w.element * w.hidden * (nvlink + rdma);
}

// Tokens a rank receives when each crosses once to every rank that hosts one of its top_k uniformly drawn experts.
double tokens_received_once(const MemoryWidths& w, const RankSlice& slice, double top_k) {
  const double hit = 1.0 - std::pow(1.0 - 1.0 / slice.ep, top_k);
  return w.tokens / w.t * slice.ep * slice.etp * hit;
}

double expert_parallel_buffers(const MemoryWidths& w, const RankSlice& slice, const ModelShape& model) {
  if (!model.moe || slice.ep * slice.etp == 1) return 0;
  const double token = w.element * w.hidden;
  switch (slice.dispatcher) {
    case ExpertDispatcher::all_to_all:  // what is sent, in expert order, and what arrives
      return token * (w.dispatched + w.routed);
    case ExpertDispatcher::all_gather:  // every token of the group: gathered, and its outputs before their reduction
      return 2.0 * token * w.tokens / w.t * slice.ep * slice.etp;
    case ExpertDispatcher::deepep:
      return deepep_buffers(w, slice) + token * tokens_received_once(w, slice, static_cast<double>(model.moe->top_k));
  }
  return 0;
}

// --- weight-gradient placeholders ---

using WeightShapes = std::set<std::pair<double, double>>;  // outputs, inputs

void add_attention(WeightShapes& shapes, const ModelShape& model, const MemoryWidths& w) {
  shapes.insert({w.hidden, w.context});
  if (!model.latent_attention) {
    shapes.insert({w.q + w.k + w.v, w.hidden});
    return;
  }
  if (w.query_rank > 0) shapes.insert({w.query_rank, w.hidden});
  shapes.insert({w.q, w.query_rank > 0 ? w.query_rank : w.hidden});
  shapes.insert({w.kv_rank + w.rope_heads, w.hidden});
  shapes.insert({w.latent_up, w.kv_rank});
}

void add_mlp(WeightShapes& shapes, const MemoryWidths& w, double ffn) {
  if (ffn <= 0) return;
  shapes.insert({w.up * ffn, w.hidden});
  shapes.insert({w.hidden, ffn});
}

}  // namespace

Bytes head_activations(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  const MemoryWidths w(model, slice);
  const double per_logit = stack.loss_memory_per_logit + 4.0 * stack.logits_copies;
  return Bytes(w.tokens * (per_logit * w.vocabulary + 2.0 * w.element * w.hidden / w.t_sp));
}

// Inputs of the two norms and what they write, which is the projection's input.
Bytes prediction_activations(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  const MemoryWidths w(model, slice);
  const double per_element = 2.0 * w.element + 2.0 * w.operand + 2.0 * stack.norm_saved_extra;
  return Bytes(per_element * w.hidden * w.local_tokens());
}

Bytes backward_working_set(const ModelShape& model, bool moe, const RankSlice& slice, const StackProfile& stack,
                           const LayerRecompute& recompute) {
  const MemoryWidths w(model, slice);
  const double mlp =
      moe ? std::max(routed_gradients(w), mlp_gradients(w, w.shared_ffn, w.tokens)) : mlp_gradients(w, w.ffn, w.tokens);
  Bytes set(std::max(mlp, attention_gradients(w)));
  if (recompute.kind == Recompute::none) return set;
  // What is computed again lives until the layer's backward has used it.
  set += layer_activations(model, moe, slice, stack, {});
  if (recompute.kind == Recompute::selective) set -= layer_activations(model, moe, slice, stack, recompute);
  return set;
}

Bytes gather_buffers(const ModelShape& model, const RankSlice& slice, const StackProfile& stack) {
  const MemoryWidths w(model, slice);
  return Bytes(tensor_parallel_buffers(w, slice, stack) + context_parallel_buffers(w, slice) +
               expert_parallel_buffers(w, slice, model));
}

Bytes dummy_wgrad_buffers(const ModelShape& model, const StageContents& contents, const RankSlice& slice,
                          const StackProfile& stack) {
  if (!stack.dummy_wgrads) return Bytes(0);
  const MemoryWidths w(model, slice);
  WeightShapes shapes;
  if (contents.dense_layers || contents.moe_layers) add_attention(shapes, model, w);
  if (contents.dense_layers) add_mlp(shapes, w, w.ffn);
  if (contents.moe_layers) {
    add_mlp(shapes, w, w.expert_ffn);
    add_mlp(shapes, w, w.shared_ffn);
  }
  if (contents.head) shapes.insert({w.vocabulary, w.hidden});
  if (contents.prediction) shapes.insert({w.hidden / w.t, 2.0 * w.hidden});
  double elements = 0;
  for (const auto& [outputs, inputs] : shapes) elements += outputs * inputs;
  return Bytes(w.element * elements);
}

Bytes nccl_buffers(int channels, int peers, int directions) {
  constexpr double steps = 8;
  constexpr double ll = steps * 512 * 8 * 16, ll128 = steps * 640 * 120 * 8, simple = 4.0 * 1024 * 1024;
  return Bytes((ll + ll128 + simple) * channels * peers * directions);
}

ModelStates model_states(double parameters, double owned, DataType precision, DataType gradient_type,
                         bool fp8_parameters) {
  if (precision == DataType::fp32) return {Bytes(4 * parameters), Bytes(4 * parameters), Bytes(8 * owned)};
  const double gradient = bytes_per_element(gradient_type);
  const double weight = fp8_parameters ? 2.0 * bytes_per_element(DataType::fp8) : 2.0;
  double optimizer = 12.0 * owned;
  if (precision == DataType::fp16 && gradient < 4.0) optimizer += 4.0 * owned;
  return {Bytes(weight * parameters), Bytes(gradient * parameters), Bytes(optimizer)};
}

}  // namespace trainyard
