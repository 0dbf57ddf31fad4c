#include "models/operators.hpp"

#include <algorithm>

#include "models/operators_builder.hpp"

namespace trainyard {
namespace {

double attention_flops(const Attention& a) {
  const double s = static_cast<double>(a.length);
  const double keys = a.keys > 0 ? static_cast<double>(a.keys) : s;
  const double w = a.window > 0 ? std::min(keys, static_cast<double>(a.window)) : keys;
  const double mean_keys = a.causal ? w * (1.0 - (w - 1.0) / (2.0 * keys)) : w;
  const double per_pair =
      a.backward ? 2.0 * static_cast<double>(3 * a.d_qk + 2 * a.d_v) : 2.0 * static_cast<double>(a.d_qk + a.d_v);
  return per_pair * mean_keys * s * static_cast<double>(a.sequences * a.heads);
}

void layer_forward_steps(LayerBuilder& b, bool moe) {
  attention_block_forward(b);
  if (moe) {
    moe_block_forward(b);
  } else {
    mlp_block_forward(b);
  }
}

// The steps of one kind with `after` counted among them. One that pointed at a step of the other kind waits for the
// last kept step before that; -1 stays, and stands for "none" too: then only steps of its own stream come earlier.
LayerSteps kept_steps(const LayerSteps& all, bool weight) {
  LayerSteps kept;
  kept.reserve(all.size());
  std::vector<int> last_kept(all.size(), after_everything);  // index among the kept of the last one up to here
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].weight == weight) {
      LayerStep step = all[i];
      if (step.after >= 0) step.after = last_kept[static_cast<std::size_t>(step.after)];
      kept.push_back(step);
    }
    last_kept[i] = static_cast<int>(kept.size()) - 1;
  }
  return kept;
}

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
    case CollectiveKind::send_receive:
      return "send/recv";
  }
  return "?";
}

Flops flops(const Operator& op) {
  if (const auto* g = std::get_if<Gemm>(&op.work))
    return Flops(2.0 * static_cast<double>(g->m) * static_cast<double>(g->n) * static_cast<double>(g->k) *
                 static_cast<double>(g->batch * g->groups));
  if (const auto* a = std::get_if<Attention>(&op.work)) return Flops(attention_flops(*a));
  return Flops(0);
}

LayerSteps layer_forward(const ModelShape& model, bool moe, const RankSlice& slice, const StackProfile& stack) {
  LayerBuilder b(model, slice, stack);
  layer_forward_steps(b, moe);
  return b.take();
}

LayerSteps layer_backward(const ModelShape& model, bool moe, const RankSlice& slice, const StackProfile& stack,
                          const LayerRecompute& recompute) {
  LayerBuilder b(model, slice, stack);
  if (recompute.kind == Recompute::full) layer_forward_steps(b, moe);
  if (moe) {
    moe_block_backward(b, recompute);
  } else {
    mlp_block_backward(b, recompute);
  }
  attention_block_backward(b, recompute);
  return b.take();
}

LayerSteps input_gradient_steps(const LayerSteps& backward) { return kept_steps(backward, false); }
LayerSteps weight_gradient_steps(const LayerSteps& backward) { return kept_steps(backward, true); }

}  // namespace trainyard
