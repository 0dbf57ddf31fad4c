#include "sim/plan/rank_layout.hpp"

#include <cassert>

#include "sim/plan/placement.hpp"

namespace trainyard {

RankCoordinates RankLayout::coordinates(RankId rank) const {
  return {.tp = rank.value / tp_stride % tp,
          .cp = rank.value / cp_stride % cp,
          .dp = rank.value / dp_stride % dp,
          .pp = rank.value / pp_stride % pp};
}

RankId RankLayout::rank(RankCoordinates at) const {
  return RankId(at.tp * tp_stride + at.cp * cp_stride + at.dp * dp_stride + at.pp * pp_stride);
}

RankGroup RankLayout::group(Axis axis, RankId member) const {
  RankCoordinates first = coordinates(member);
  switch (axis) {
    case Axis::tp:
      first.tp = 0;
      return {rank(first), tp_stride, tp};
    case Axis::cp:
      first.cp = 0;
      return {rank(first), cp_stride, cp};
    case Axis::dp:
      first.dp = 0;
      return {rank(first), dp_stride, dp};
    case Axis::pp:
      first.pp = 0;
      return {rank(first), pp_stride, pp};
    case Axis::ep:
      return {member, 1, 1};  // not an axis of the dense grid: see expert_grid
  }
  return {member, 1, 1};
}

std::vector<RankId> RankLayout::gradient_group(RankId member) const {
  RankCoordinates at = coordinates(member);
  at.cp = 0;
  at.dp = 0;
  const int origin = rank(at).value;
  const bool cp_is_faster = cp_stride <= dp_stride;
  const int inner = cp_is_faster ? cp : dp, inner_stride = cp_is_faster ? cp_stride : dp_stride;
  const int outer = cp_is_faster ? dp : cp, outer_stride = cp_is_faster ? dp_stride : cp_stride;
  std::vector<RankId> members;
  members.reserve(static_cast<std::size_t>(inner * outer));
  for (int o = 0; o < outer; ++o)
    for (int i = 0; i < inner; ++i) members.emplace_back(origin + o * outer_stride + i * inner_stride);
  return members;
}

RankLayout lay_out(const Plan& plan, const Cluster& cluster) {
  RankLayout layout;
  layout.tp = plan.tensor_parallel;
  layout.cp = plan.context_parallel;
  layout.pp = plan.pipeline_parallel;
  layout.dp = plan.data_parallel > 0 ? plan.data_parallel : cluster.world_size() / (layout.tp * layout.cp * layout.pp);
  assert(layout.world_size() == cluster.world_size());

  std::array<int, 4> axis_sizes{};
  std::size_t position = 0;
  int stride = 1;
  const auto next_axis = [&](int& axis_stride, int size) {
    axis_stride = stride;
    stride *= size;
    axis_sizes[position++] = size;
  };
  const std::vector<Axis> order = axes_of(plan.rank_order).value();
  for (Axis axis : order) {
    switch (axis) {
      case Axis::tp:
        next_axis(layout.tp_stride, layout.tp);
        break;
      case Axis::cp:
        next_axis(layout.cp_stride, layout.cp);
        break;
      case Axis::dp:
        next_axis(layout.dp_stride, layout.dp);
        break;
      case Axis::pp:
        next_axis(layout.pp_stride, layout.pp);
        break;
      case Axis::ep:
        break;
    }
  }
  layout.device = place(plan, axis_sizes, cluster);
  return layout;
}

}  // namespace trainyard
