#include "sim/engine/fluid_engine.hpp"

#include <memory>
#include <utility>

#include "sim/engine/cast.hpp"
#include "sim/engine/rank_engine.hpp"
#include "sim/engine/shared_network.hpp"

namespace trainyard {

RankRuns run_every_rank(const StepProgram& program, PricingContext pricing, const EngineContext& context,
                        LinkSharing sharing, Folding folding) {
  RankRuns runs;
  const std::vector<std::vector<Tier>> paths =
      sharing == LinkSharing::fair_share ? program.paths : paths_alone(program);
  pricing.paths = &paths;
  pricing.contention = sharing == LinkSharing::fair_share;
  runs.prices = price(program, pricing);
  Traffic traffic = traffic_of(program, runs.prices, context, paths, sharing);
  runs.contended_links = traffic.contended_links;
  runs.classes = rank_classes(program, traffic, context, folding);
  const Cast cast = make_cast(program, runs.prices, traffic, runs.classes, context, sharing);
  std::unique_ptr<SharedNetwork> network;
  if (!cast.flow_classes.empty()) network = simgrid_network(runs.classes.capacity, cast.flow_classes);
  runs.timeline = run_ranks(cast, network.get());
  runs.links = std::move(traffic.pressures);
  return runs;
}

}  // namespace trainyard
