#include "analysis/sweep/closest_plan.hpp"

#include <algorithm>
#include <numeric>

#include "analysis/plan_words.hpp"
#include "analysis/simulate.hpp"
#include "sim/plan/check_plan.hpp"

namespace trainyard {
namespace {

// A ledger takes about 0.3 ms: a few seconds in all.
constexpr std::int64_t most_ledgers = 10'000;

// Coprime to the inner axes, so that the sample has every combination of them, under some grid.
std::int64_t sampling_stride(const PlanSpace& space) {
  std::int64_t stride = std::max<std::int64_t>(1, space.structures() / most_ledgers);
  while (std::gcd(stride, space.inner_size()) != 1) ++stride;
  return stride;
}

Bytes largest_reserved(const MemoryLedger& ledger) {
  Bytes largest{};
  for (const StageMemory& stage : ledger.stages) largest = std::max(largest, stage.reserved);
  return largest;
}

}  // namespace

std::optional<ClosestFit> closest_fit(const Sweep& sweep, const Routes& routes) {
  const std::int64_t stride = sampling_stride(sweep.space);
  std::optional<ClosestFit> closest;
  Job job = sweep.job;
  for (StructureIndex s = 0; s < sweep.space.structures(); s += stride) {
    const std::optional<Plan> plan = sweep.space.structure(s);
    if (!plan) continue;
    job.plan = *plan;
    if (!check_plan(job.plan, job.model, job.workload, job.cluster).empty()) continue;
    const MemoryLedger ledger = memory_of(job, routes);
    const Bytes reserved = largest_reserved(ledger);
    if (closest && closest->plan.reserved <= reserved) continue;
    closest = ClosestFit{{plan_line(resolved(job.plan, job.model, job.cluster)), reserved}, ledger.limit};
  }
  return closest;
}

}  // namespace trainyard
