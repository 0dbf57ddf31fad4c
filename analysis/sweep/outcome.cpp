#include "analysis/sweep/outcome.hpp"

namespace trainyard {

SweepCounts& SweepCounts::operator+=(const SweepCounts& more) {
  excluded += more.excluded;
  infeasible += more.infeasible;
  out_of_memory += more.out_of_memory;
  same_placement += more.same_placement;
  pruned += more.pruned;
  evaluated += more.evaluated;
  for (const auto& [reason, plans] : more.infeasible_reasons) infeasible_reasons[reason] += plans;
  return *this;
}

}  // namespace trainyard
