#include "sim/plan/expert_grid.hpp"

#include <algorithm>
#include <cassert>

namespace trainyard {

ExpertCoordinates ExpertGrid::coordinates(RankId rank) const {
  return {.etp = rank.value / etp_stride % etp,
          .ep = rank.value / ep_stride % ep,
          .edp = rank.value / edp_stride % edp,
          .pp = rank.value / pp_stride % pp};
}

RankId ExpertGrid::rank(ExpertCoordinates at) const {
  return RankId(at.etp * etp_stride + at.ep * ep_stride + at.edp * edp_stride + at.pp * pp_stride);
}

RankGroup ExpertGrid::group(Axis axis, RankId member) const {
  ExpertCoordinates first = coordinates(member);
  switch (axis) {
    case Axis::tp:
      first.etp = 0;
      return {rank(first), etp_stride, etp};
    case Axis::ep:
      first.ep = 0;
      return {rank(first), ep_stride, ep};
    case Axis::dp:
      first.edp = 0;
      return {rank(first), edp_stride, edp};
    case Axis::pp:
      first.pp = 0;
      return {rank(first), pp_stride, pp};
    case Axis::cp:
      return {member, 1, 1};
  }
  return {member, 1, 1};
}

ExpertGrid expert_grid(const Plan& plan, int world_size) {
  std::vector<Axis> order = axes_of(plan.rank_order).value();
  if (std::find(order.begin(), order.end(), Axis::ep) == order.end())
    order.insert(std::find(order.begin(), order.end(), Axis::tp) + 1, Axis::ep);

  ExpertGrid grid;
  grid.etp = plan.expert_tensor_parallel > 0 ? plan.expert_tensor_parallel : plan.tensor_parallel;
  grid.ep = plan.expert_parallel;
  grid.pp = plan.pipeline_parallel;
  grid.edp = world_size / (grid.etp * grid.ep * grid.pp);
  assert(grid.world_size() == world_size);

  int stride = 1;
  for (Axis axis : order) {
    switch (axis) {
      case Axis::tp:
        grid.etp_stride = stride;
        stride *= grid.etp;
        break;
      case Axis::ep:
        grid.ep_stride = stride;
        stride *= grid.ep;
        break;
      case Axis::dp:
        grid.edp_stride = stride;
        stride *= grid.edp;
        break;
      case Axis::pp:
        grid.pp_stride = stride;
        stride *= grid.pp;
        break;
      case Axis::cp:
        break;
    }
  }
  return grid;
}

}  // namespace trainyard
