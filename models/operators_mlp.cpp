#include "models/operators_builder.hpp"

namespace trainyard {
namespace {

std::int64_t inner_width(const LayerBuilder& b) { return b.model().ffn / b.slice().tp; }

void mlp_forward(LayerBuilder& b) {
  const std::int64_t inner = inner_width(b);
  b.column_forward("mlp_up", b.up_width(inner), b.hidden());
  b.activation_forward("activation", static_cast<double>(b.tokens()), inner);
  b.row_forward("mlp_down", b.hidden(), inner);
}

}  // namespace

void mlp_block_forward(LayerBuilder& b) {
  b.norm_forward();
  mlp_forward(b);
  b.residual_forward();
}

void mlp_block_backward(LayerBuilder& b, const LayerRecompute& recompute) {
  const std::int64_t inner = inner_width(b);
  b.residual_backward();
  if (recompute.has(recompute_layernorm)) b.norm_forward();
  if (recompute.has(recompute_mlp)) mlp_forward(b);
  b.row_backward({"mlp_down_dgrad", "mlp_down_wgrad", b.hidden(), inner, b.linear_type()});
  b.activation_backward("activation_backward", static_cast<double>(b.tokens()), inner);
  b.column_backward({"mlp_up_dgrad", "mlp_up_wgrad", b.up_width(inner), b.hidden(), b.linear_type()});
  b.norm_backward();
}

}  // namespace trainyard
