// The engines that simulate every rank of a job: transfers on links of their own (analytic) or sharing them (fluid).
#pragma once

#include "sim/engine/rank_classes.hpp"
#include "sim/engine/timeline.hpp"
#include "sim/engine/traffic.hpp"

namespace trainyard {

struct RankRuns {
  PricedProgram prices;  // what each work takes with nothing beside it
  Timeline timeline;     // one list per class
  RankClasses classes;
  std::vector<LinkPressure> links;
  int contended_links = 0;
};

// `pricing` as for price(); its paths and contention are set here. Throws StuckProgram, and NetworkError where SimGrid
// cannot be used.
RankRuns run_every_rank(const StepProgram& program, PricingContext pricing, const EngineContext& context,
                        LinkSharing sharing, Folding folding);

}  // namespace trainyard
