#include "analysis/placement/placement_search.hpp"

#include <algorithm>
#include <tuple>

#include "analysis/placement/resolve_placement.hpp"
#include "analysis/simulate.hpp"
#include "sim/plan/check_plan.hpp"

namespace trainyard {
namespace {

// Refinements spent on a form beyond its first way down: where colours find the orbits none are needed, and where they
// do not, simulating the placement is cheaper than proving it equivalent.
constexpr std::int64_t symmetry_effort = 0;

Seconds exposed_communication(const Breakdown& b) {
  return b.exposed_tp + b.exposed_cp + b.exposed_ep + b.exposed_pp + b.exposed_dp;
}

// Rounding is no gain.
bool clearly_less(Seconds a, Seconds b) { return a.value < b.value * (1 - 1e-9); }

bool better(const PlacementSearch::Candidate& a, const PlacementSearch::Candidate& b) {
  if (a.fits != b.fits) return a.fits;
  if (clearly_less(a.step, b.step)) return true;
  return !clearly_less(b.step, a.step) && clearly_less(a.exposed, b.exposed);
}

// Placements with the same groups on the same devices, however the ranks are numbered.
std::vector<PlacedGroup> sorted(std::vector<PlacedGroup> groups) {
  for (PlacedGroup& g : groups) std::sort(g.devices.begin(), g.devices.end());
  std::sort(groups.begin(), groups.end(), [](const PlacedGroup& a, const PlacedGroup& b) {
    return std::tie(a.kind, a.devices) < std::tie(b.kind, b.devices);
  });
  return groups;
}

std::uint64_t hash_of(const std::vector<PlacedGroup>& groups) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  const auto add = [&hash](std::int32_t value) {
    hash = (hash ^ static_cast<std::uint32_t>(value)) * 0x100000001b3ULL;
  };
  for (const PlacedGroup& g : groups) {
    add(-1 - g.kind);
    for (const DeviceId d : g.devices) add(d.value);
  }
  return hash;
}

}  // namespace

PlacementSearch::PlacementSearch(const Job& job, const Routes& routes, int most_evaluations)
    : job_(job),
      routes_(routes),
      most_evaluations_(most_evaluations),
      by_symmetry_(job.cluster.world_size() <= largest_mapped_world),
      symmetry_(by_symmetry_ ? job.cluster : Cluster{}) {
  best_.plan = job.plan;
}

void PlacementSearch::consider(const Plan& plan) {
  const bool first = gain_.evaluated == 0;
  if (exhausted() || !check_plan(plan, job_.model, job_.workload, job_.cluster).empty()) return;
  if (recognised(plan)) {
    ++gain_.equivalent;
    return;
  }
  const Candidate candidate = simulated(plan);
  if (first) {
    gain_.packed_step = candidate.step;
    gain_.packed_exposed = candidate.exposed;
  }
  if (first || better(candidate, best_)) best_ = candidate;
}

PlacementGain PlacementSearch::gain() const {
  PlacementGain gain = gain_;
  gain.step = best_.step;
  gain.exposed = best_.exposed;
  return gain;
}

RankLayout PlacementSearch::layout(const Plan& plan) const {
  return lay_out(resolved(plan, job_.model, job_.cluster), job_.cluster);
}

RankTraffic PlacementSearch::groups(const Plan& plan, const RankLayout& layout) const {
  return traffic_groups(resolved(plan, job_.model, job_.cluster), layout, routes_, job_.model.moe.has_value());
}

PlacedTraffic PlacementSearch::traffic(const Plan& plan) const {
  PlacedTraffic placed{layout(plan), {}};
  placed.traffic = groups(plan, placed.layout);
  Job job = job_;
  job.plan = plan;
  add_messages(placed.traffic, simulate_step(job, routes_).result.communication);
  return placed;
}

bool PlacementSearch::recognised(const Plan& plan) {
  const RankLayout on = layout(plan);
  Known candidate{sorted(placed_groups(groups(plan, on), on)), {}};
  std::vector<Known>& alike =
      known_[by_symmetry_ ? symmetry_.fingerprint(candidate.groups) : hash_of(candidate.groups)];
  const auto same_groups = [&](const Known& known) { return known.groups == candidate.groups; };
  if (std::any_of(alike.begin(), alike.end(), same_groups)) return true;
  if (by_symmetry_ && !alike.empty()) {
    candidate.form = symmetry_.form(candidate.groups, symmetry_effort);
    for (Known& known : alike) {
      if (known.form.edges.empty()) known.form = symmetry_.form(known.groups, symmetry_effort);
      if (known.form == candidate.form) return true;
    }
  }
  alike.push_back(std::move(candidate));
  return false;
}

PlacementSearch::Candidate PlacementSearch::simulated(const Plan& plan) {
  ++gain_.evaluated;
  job_.plan = plan;
  const StepResult result = simulate_step(job_, routes_).result;
  return {plan, result.memory.fits, result.step_time, exposed_communication(result.breakdown)};
}

}  // namespace trainyard
