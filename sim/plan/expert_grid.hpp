// The second rank grid: how expert parameters are cut. Experts ignore tp and cp; the same ranks are counted again as
// expert-tensor x expert x expert-data x pipeline (Megatron keeps two rank generators for the same reason).
#pragma once

#include "sim/base/ids.hpp"
#include "sim/plan/plan.hpp"
#include "sim/plan/rank_layout.hpp"

namespace trainyard {

// Coordinates of a rank in the expert grid.
struct ExpertCoordinates {
  int etp = 0;
  int ep = 0;
  int edp = 0;
  int pp = 0;
  friend bool operator==(const ExpertCoordinates&, const ExpertCoordinates&) = default;
};

struct ExpertGrid {
  int etp = 1, ep = 1, edp = 1, pp = 1;  // edp: replicas of one expert shard; the product is the world size
  int etp_stride = 1, ep_stride = 1, edp_stride = 1, pp_stride = 1;
  int world_size() const { return etp * ep * edp * pp; }
  ExpertCoordinates coordinates(RankId rank) const;
  RankId rank(ExpertCoordinates at) const;
  // The group along one axis that contains this rank: Axis::tp is the expert-tensor, Axis::dp the expert-data group
  // (over which expert gradients are reduced). Axis::cp is the rank alone.
  RankGroup group(Axis axis, RankId rank) const;
};

// The plan's rank order with etp in the place of tp and edp in that of dp; an order without ep puts ep right after etp.
// world_size must be divisible by etp * ep * pp (check_plan says so).
ExpertGrid expert_grid(const Plan& plan, int world_size);

}  // namespace trainyard
