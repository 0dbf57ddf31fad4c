// `placement: optimize`: finds the rank order (where the plan leaves it open) and the mapping of ranks to GPUs with the
// least predicted step time on this machine.
#pragma once

#include <optional>

#include "analysis/placement_gain.hpp"
#include "sim/plan/job.hpp"
#include "topology/routes.hpp"

namespace trainyard {

struct ChosenPlacement {
  Plan plan;                          // the job's, with a placement that rank_layout can lay out
  std::optional<PlacementGain> gain;  // nullopt: the plan did not ask for a search
};

// The one place where `optimize` is answered: commands call it once, before they simulate. The plan must have passed
// check_plan; any other placement comes back as it is. Candidates are, in this order,
//   packed, scatter and rail in every legal rank order (in the plan's where it fixes one);
//   the communication graph of the ranks bisected along the machine's hierarchy (communication_graph.hpp);
//   both after swaps of groups and ranks that shorten the collectives (swap_descent.hpp);
//   the best with two pipeline stages, then with two ranks exchanged, again and again.
// Each that no symmetry carries into an earlier one (topology/symmetry.hpp) is simulated at block granularity with the
// analytic engine. The least step time wins, then the least exposed
// communication: exposure alone would favour placements that move it from the average GPU into the bubble. A placement
// that does not fit in memory never wins over one that does. Packed is the first candidate, so that nothing worse is
// chosen. The search is deterministic: a fixed budget of evaluations, a fixed seed, no clock. Beyond
// largest_mapped_world GPUs whole nodes are mapped instead of ranks, and only identical groups count as equivalent.
ChosenPlacement resolve_placement(const Job& job, const Routes& routes);

inline constexpr int largest_mapped_world = 512;
inline constexpr int most_placements_simulated = 200;

}  // namespace trainyard
