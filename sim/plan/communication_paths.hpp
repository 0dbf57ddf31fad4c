// What the groups of a layout cross, by pipeline stage. Where a stage's groups differ, the slowest one: the others
// wait for it.
#pragma once

#include <vector>

#include "sim/base/hardware.hpp"
#include "sim/plan/rank_layout.hpp"
#include "topology/routes.hpp"

namespace trainyard {

using TierPath = std::vector<Tier>;

struct StagePaths {
  TierPath tp;
  TierPath gradients;   // data x context parallel
  TierPath next_stage;  // to the same rank of the following stage (of the last: to the first)
};

struct CommunicationPaths {
  std::vector<StagePaths> stages;
  TierPath embedding;  // first and last stage, for tied embeddings
  TierPath world;
};

CommunicationPaths communication_paths(const RankLayout& layout, const Routes& routes);

}  // namespace trainyard
