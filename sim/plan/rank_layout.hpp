// Which rank has which coordinates, groups and device. Groups are arithmetic progressions of ranks (mixed radix in
// rank order), so a layout of 16 384 ranks costs nothing per group.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "sim/base/ids.hpp"
#include "sim/plan/plan.hpp"
#include "topology/cluster.hpp"

namespace trainyard {

// size ranks: first, first + stride, …
struct RankGroup {
  RankId first;
  int stride = 1;
  int size = 1;
  RankId at(int i) const { return RankId(first.value + i * stride); }
  friend bool operator==(const RankGroup&, const RankGroup&) = default;
};

// Coordinates of a rank in the dense grid.
struct RankCoordinates {
  int tp = 0;
  int cp = 0;
  int dp = 0;
  int pp = 0;
  friend bool operator==(const RankCoordinates&, const RankCoordinates&) = default;
};

struct RankLayout {
  int tp = 1, cp = 1, dp = 1, pp = 1;  // sizes of the dense grid; their product is the world size
  int tp_stride = 1, cp_stride = 1, dp_stride = 1, pp_stride = 1;
  std::vector<DeviceId> device;  // of every rank
  int world_size() const { return tp * cp * dp * pp; }
  RankCoordinates coordinates(RankId rank) const;
  RankId rank(RankCoordinates at) const;
  // The group along one axis that contains this rank. Axis::dp is data parallelism alone; gradients of dense
  // parameters are reduced over gradient_group (dp x cp), which is one progression only if cp and dp are adjacent in
  // rank order; hence a list.
  RankGroup group(Axis axis, RankId rank) const;
  std::vector<RankId> gradient_group(RankId rank) const;
};

// Plan and cluster must have passed check_plan.
RankLayout lay_out(const Plan& plan, const Cluster& cluster);

}  // namespace trainyard
