// Shared experts of a mixture, as Megatron-core's shared_experts.py with and without moe_shared_expert_overlap.
#include <algorithm>

#include "models/operators_builder.hpp"

namespace trainyard {
namespace {

double rows(const LayerBuilder& b) { return static_cast<double>(b.tokens()); }

int gather_beside(LayerBuilder& b, int before) {
  if (!b.sequence_parallel()) return before;
  return b.tensor_collective(CollectiveKind::all_gather, b.wire_bytes(b.hidden(), b.linear_type()), before);
}
void reduce_beside(LayerBuilder& b, int after) {
  b.tensor_collective(b.sequence_parallel() ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce,
                      b.activation_bytes(b.hidden()), after);
}
// The cast, if any, of a hidden-sized tensor and its gather; returns the step to wait for.
int quantised_gather_beside(LayerBuilder& b, std::string_view name, int before) {
  b.quantise(name, b.elements(b.local_tokens(), b.hidden()), b.elements(b.tokens(), b.hidden()), before);
  return gather_beside(b, b.linear_type() == DataType::bf16 ? before : b.last());
}
int shared_gemm(LayerBuilder& b, std::string_view name, std::int64_t n, std::int64_t k, int after) {
  return b.gemm(name, {.m = b.tokens(), .n = n, .k = k, .type = b.linear_type()}, after);
}
void shared_wgrad(LayerBuilder& b, std::string_view name, std::int64_t n, std::int64_t k, int after) {
  b.wgrad(name, {.m = n, .n = k, .k = b.tokens(), .type = b.linear_type()}, after);
}

}  // namespace

std::int64_t shared_expert_width(const LayerBuilder& b) {
  const MixtureOfExperts& moe = *b.model().moe;
  const std::int64_t width = moe.shared_ffn > 0 ? moe.shared_ffn : moe.shared_experts * moe.expert_ffn;
  return width / b.slice().tp;
}

void shared_experts_forward(LayerBuilder& b) {
  const std::int64_t inner = shared_expert_width(b);
  b.column_forward("shared_up", b.up_width(inner), b.hidden());
  b.activation_forward("shared_activation", rows(b), inner);
  b.row_forward("shared_down", b.hidden(), inner);
}

void shared_experts_backward(LayerBuilder& b) {
  const std::int64_t inner = shared_expert_width(b);
  b.row_backward({"shared_down_dgrad", "shared_down_wgrad", b.hidden(), inner, b.linear_type()});
  b.activation_backward("shared_activation_backward", rows(b), inner);
  b.column_backward({"shared_up_dgrad", "shared_up_wgrad", b.up_width(inner), b.hidden(), b.linear_type()});
}

void shared_up_beside(LayerBuilder& b, int before) {
  const std::int64_t inner = shared_expert_width(b);
  const int gathered = quantised_gather_beside(b, "quantise_input", before);
  const int up = shared_gemm(b, "shared_up", b.up_width(inner), b.hidden(), gathered);
  b.activation_forward("shared_activation", rows(b), inner, up);
}

void shared_down_beside(LayerBuilder& b, int before) {
  const std::int64_t inner = shared_expert_width(b);
  const double elements = b.elements(b.tokens(), inner);
  b.quantise("quantise_input", elements, elements, before);
  reduce_beside(b, shared_gemm(b, "shared_down", b.hidden(), inner, before));
}

void shared_down_backward_beside(LayerBuilder& b, int before) {
  const std::int64_t inner = shared_expert_width(b);
  const int gathered = quantised_gather_beside(b, "quantise_gradient", before);
  const int data = shared_gemm(b, "shared_down_dgrad", inner, b.hidden(), gathered);
  shared_wgrad(b, "shared_down_wgrad", b.hidden(), inner, data);
  b.activation_backward("shared_activation_backward", rows(b), inner, data);
}

void shared_up_backward_beside(LayerBuilder& b, int before) {
  const std::int64_t up = b.up_width(shared_expert_width(b));
  const double elements = b.elements(b.tokens(), up);
  b.quantise("quantise_gradient", elements, elements, before);
  const int gathered = gather_beside(b, before);
  const int data = shared_gemm(b, "shared_up_dgrad", b.hidden(), up, before);
  reduce_beside(b, data);
  shared_wgrad(b, "shared_up_wgrad", up, b.hidden(), std::max(gathered, data));
}

}  // namespace trainyard
