#include "models/operators_builder.hpp"

#include <algorithm>
#include <utility>

namespace trainyard {
namespace {

bool is_low_precision(DataType type) { return type == DataType::fp8 || type == DataType::nvfp4; }

// Activations between the kernels stay 16 bit when linear layers run in 8 or 4.
double element_bytes(DataType precision) {
  return bytes_per_element(is_low_precision(precision) ? DataType::bf16 : precision);
}

// Bytes an element of a cast: reads 16 bit, writes the low-precision copy and, for block scales, its scales and a
// second copy along the other dimension; current scaling and NVFP4 read once more for the maximum.
struct CastTraffic {
  double cast = 0;
  bool transposed = false;  // the second copy needs a transpose that only K-major GEMMs require
};
CastTraffic cast_traffic(DataType type, Fp8Recipe recipe, const StackProfile& stack) {
  constexpr double block_scales_1x128 = 2 * 4.0 / 128;  // fp32, two directions
  constexpr double block_scales_1x32 = 2 * 1.0 / 32;    // E8M0
  constexpr double block_scales_1x16 = 2 * 1.0 / 16;    // E4M3
  if (type == DataType::nvfp4) return {2.0 + 2 * 0.5 + block_scales_1x16 + stack.quantise_amax_bytes, false};
  const double cast = stack.quantise_bytes;
  switch (recipe) {
    case Fp8Recipe::delayed:
      return {cast, true};
    case Fp8Recipe::current:
      return {cast + stack.quantise_amax_bytes, true};
    case Fp8Recipe::blockwise:
      return {cast + stack.quantise_transpose_bytes + block_scales_1x128, false};
    case Fp8Recipe::mxfp8:
      return {cast + stack.quantise_transpose_bytes + block_scales_1x32, false};
  }
  return {};
}

}  // namespace

LayerBuilder::LayerBuilder(const ModelShape& model, const RankSlice& slice, const StackProfile& stack)
    : model_(model),
      slice_(slice),
      stack_(stack),
      beta_(element_bytes(slice.precision)),
      linear_type_(is_low_precision(slice.precision) ? slice.precision : DataType::bf16),
      tokens_(slice.tokens()),
      local_tokens_(sequence_parallel() ? std::max<std::int64_t>(1, tokens_ / slice.tp) : tokens_),
      vocabulary_(padded_vocabulary(model, slice.tp) / slice.tp) {
  steps_.reserve(48);  // more than a dense layer's backward with everything recomputed
  set_attention_widths();
  const Bytes act = activation_bytes(model.hidden);
  sharded_act_ = slice.sequence_parallel ? act / static_cast<double>(slice.tp) : act;
}

void LayerBuilder::set_attention_widths() {
  const std::int64_t t = slice_.tp;
  heads_ = std::max<std::int64_t>(1, model_.heads / t);
  if (model_.latent_attention) {
    const LatentAttention& a = *model_.latent_attention;
    d_qk_ = a.qk_nope_head_dim + a.qk_rope_head_dim;
    d_v_ = a.v_head_dim;
    q_ = k_ = heads_ * d_qk_;
    v_ = context_ = heads_ * d_v_;
    return;
  }
  d_qk_ = d_v_ = model_.head_dim;
  q_ = context_ = model_.q_width() / t;
  k_ = v_ = model_.head_dim * std::max<std::int64_t>(1, model_.kv_heads / t);
}

int LayerBuilder::push(Operator op, int after, bool weight) {
  steps_.push_back({op, after, weight});
  return last();
}
int LayerBuilder::push(const LayerCollective& collective, int after) {
  steps_.push_back({collective, after});
  return last();
}
int LayerBuilder::gemm(std::string_view name, const Gemm& gemm, int after) { return push(Operator{name, gemm}, after); }

int LayerBuilder::wgrad(std::string_view name, Gemm gemm, int after) {
  gemm.weight_gradient = true;
  gemm.accumulate = stack_.fused_wgrad_accumulation;
  const int step = push(Operator{name, gemm}, after, true);
  if (stack_.fused_wgrad_accumulation) return step;
  // Reads the 2-byte gradient, reads and writes the 4-byte accumulator.
  const Bytes traffic(10.0 * static_cast<double>(gemm.m * gemm.n * gemm.groups));
  return push(Operator{"wgrad_accumulate", MemoryBound{traffic, MemoryKind::fused, 1}}, step, true);
}

int LayerBuilder::memory(std::string_view name, Bytes bytes, MemoryKind kind, int launches, int after) {
  if (kind == MemoryKind::fused) bytes *= stack_.elementwise_factor;
  return push(Operator{name, MemoryBound{bytes, kind, launches}}, after);
}

int LayerBuilder::tensor_collective(CollectiveKind kind, Bytes bytes, int after, double exposed) {
  if (slice_.tp == 1) return after_everything;
  LayerCollective c;
  c.kind = kind;
  c.bytes = bytes;
  c.exposed = exposed;
  return push(c, after);
}

void LayerBuilder::quantise(std::string_view name, double local, double gathered, int after) {
  if (linear_type_ == DataType::bf16) return;
  const CastTraffic traffic = cast_traffic(linear_type_, slice_.fp8_recipe, stack_);
  MemoryBound work{Bytes(traffic.cast * local), MemoryKind::fused, 1};
  if (traffic.transposed) {
    // A gathered input is transposed after the gather, in a kernel that also reads it.
    const double bytes = gathered > local ? 1.0 + stack_.quantise_transpose_bytes : stack_.quantise_transpose_bytes;
    work.transposes = Bytes(bytes * gathered);
  }
  push(Operator{name, work}, after);
}

double LayerBuilder::pipelined() const {
  if (!slice_.sequence_parallel) return 1.0;
  switch (stack_.tp_overlap) {
    case TpOverlap::none:
    case TpOverlap::backward:
      return 1.0;
    case TpOverlap::userbuffers:
      return stack_.userbuffers_exposed;
    case TpOverlap::async_tp:
      return stack_.async_tp_exposed;
  }
  return 1.0;
}

void LayerBuilder::pipelined_collective(CollectiveKind kind, Bytes bytes) {
  constexpr int pipeline_pieces = 4;  // Transformer Engine's default num_splits
  const double exposed = pipelined();
  const int step = tensor_collective(kind, bytes, after_everything, exposed);
  if (step < 0 || exposed >= 1.0 || slice_.tp_overlap_method == TpOverlapMethod::measured) return;
  auto& c = std::get<LayerCollective>(steps_[static_cast<std::size_t>(step)].work);
  c.local_first = slice_.tp_overlap_method == TpOverlapMethod::ring_exchange;
  c.pieces = c.local_first ? slice_.tp : pipeline_pieces;
}

Bytes LayerBuilder::wire_bytes(std::int64_t width, DataType type) const {
  const double element = is_low_precision(type) ? bytes_per_element(type) : beta_;
  return Bytes(element * elements(tokens_, width));
}

void LayerBuilder::gather_forward(std::int64_t width, DataType type) {
  if (!slice_.sequence_parallel) return;
  pipelined_collective(CollectiveKind::all_gather, wire_bytes(width, type));
}
void LayerBuilder::reduce_forward(std::int64_t width) {
  pipelined_collective(slice_.sequence_parallel ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce,
                       activation_bytes(width));
}

void LayerBuilder::norm(std::string_view name, double layernorm_passes, double rms_passes) {
  memory(name, (model_.norm == NormKind::rmsnorm ? rms_passes : layernorm_passes) * sharded_act_);
}
void LayerBuilder::norm_forward() { norm("norm", stack_.norm_passes_forward, stack_.rms_norm_passes_forward); }
void LayerBuilder::norm_backward() {
  norm("norm_backward", stack_.norm_passes_backward, stack_.rms_norm_passes_backward);
}

// Half a byte-wide mask per two-byte element when dropout is on.
void LayerBuilder::residual_forward() {
  memory("bias_dropout_add", (stack_.residual_passes_forward + (dropout() ? 0.5 : 0.0)) * sharded_act_);
}
void LayerBuilder::residual_backward() {
  memory("bias_dropout_add_backward", (stack_.residual_passes_backward + (dropout() ? 0.5 : 0.0)) * sharded_act_);
}

// Gated: reads gate and up, writes the product. Plain: reads up, writes.
void LayerBuilder::activation_forward(std::string_view name, double rows, std::int64_t inner, int after) {
  const double width = model_.gated_mlp ? 3.0 : 2.0;
  memory(name, Bytes(width * beta_ * (rows * static_cast<double>(inner))), MemoryKind::fused, 1, after);
}
void LayerBuilder::activation_backward(std::string_view name, double rows, std::int64_t inner, int after) {
  const double width = model_.gated_mlp ? 5.0 : 3.0;
  memory(name, Bytes(width * beta_ * (rows * static_cast<double>(inner))), MemoryKind::fused, 1, after);
}

void LayerBuilder::column_forward(std::string_view name, std::int64_t n, std::int64_t k) {
  quantise("quantise_input", elements(local_tokens_, k), elements(tokens_, k));
  gather_forward(k, linear_type_);
  gemm(name, {.m = tokens_, .n = n, .k = k, .type = linear_type_});
}
void LayerBuilder::row_forward(std::string_view name, std::int64_t n, std::int64_t k) {
  quantise("quantise_input", elements(tokens_, k));
  gemm(name, {.m = tokens_, .n = n, .k = k, .type = linear_type_});
  reduce_forward(n);
}

void LayerBuilder::column_backward(const Linear& l) {
  const bool overlap = stack_.tp_overlap != TpOverlap::none;
  if (l.type != DataType::bf16) quantise("quantise_gradient", elements(tokens_, l.n));
  const int before = last();
  int gathered = after_everything;
  if (sequence_parallel()) gathered = tensor_collective(CollectiveKind::all_gather, wire_bytes(l.k, l.type));
  const int data =
      gemm(l.dgrad, {.m = tokens_, .n = l.k, .k = l.n, .type = l.type}, overlap ? before : after_everything);
  tensor_collective(slice_.sequence_parallel ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce,
                    activation_bytes(l.k), data);
  int after = after_everything;
  if (overlap) after = gathered >= 0 ? gathered : data;
  wgrad(l.wgrad, {.m = l.n, .n = l.k, .k = tokens_, .type = l.type}, after);
}

void LayerBuilder::row_backward(const Linear& l) {
  if (l.type != DataType::bf16) quantise("quantise_gradient", elements(local_tokens_, l.n), elements(tokens_, l.n));
  if (sequence_parallel()) pipelined_collective(CollectiveKind::all_gather, wire_bytes(l.n, l.type));
  gemm(l.dgrad, {.m = tokens_, .n = l.k, .k = l.n, .type = l.type});
  wgrad(l.wgrad, {.m = l.n, .n = l.k, .k = tokens_, .type = l.type});
}

}  // namespace trainyard
