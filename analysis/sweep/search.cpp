#include "analysis/sweep/search.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>

#include "analysis/sweep/pareto.hpp"

namespace trainyard {
namespace {

// Structures looked at before the descents, spread evenly over the space, and the most grids that one step of a descent
// compares. A descent ends where no axis alone helps.
constexpr StructureIndex sample_size = 256;
constexpr std::size_t most_grid_moves = 96;
constexpr int most_rounds = 6;

// Descents are led by the step time of plans that need at most this share of the GPU.
constexpr std::array<double, 4> memory_shares = {1.0, 0.7, 0.45, 0.25};

int differences(const ParallelGrid& a, const ParallelGrid& b) {
  return (a.tp != b.tp) + (a.pp != b.pp) + (a.vpp != b.vpp) + (a.cp != b.cp) + (a.ep != b.ep) + (a.etp != b.etp) +
         (a.micro_batch_size != b.micro_batch_size) + (a.schedule != b.schedule);
}

class Search {
 public:
  Search(const Sweep& sweep, const Routes& routes) : space_(sweep.space), evaluator_(sweep, routes) {}

  SearchResult run(Bytes capacity) {
    if (space_.structures() == 0) return {};
    const StructureIndex samples = std::min(sample_size, space_.structures());
    for (StructureIndex i = 0; i < samples; ++i) look_at(i * space_.structures() / samples, nullptr);
    for (const double share : memory_shares) descend(share * capacity);
    place_the_best();
    SearchResult result;
    for (auto& [index, plan] : found_) result.plans.push_back(std::move(plan));
    std::sort(result.plans.begin(), result.plans.end(), faster);
    return result;
  }

 private:
  // Evaluates the first placement of a structure, unless it provably takes longer than `best`.
  const EvaluatedPlan* look_at(StructureIndex s, const EvaluatedPlan* best) {
    const PlanIndex index = s * space_.variants();
    const auto known = found_.find(index);
    if (known != found_.end()) return &known->second;
    if (dismissed_.contains(s)) return nullptr;
    Incumbents limit;
    if (best != nullptr) limit = {best->step_time, {{Seconds(0), Bytes(0)}}};
    std::optional<EvaluatedPlan> plan = evaluator_.evaluate(index, limit);
    if (!plan) {
      dismissed_.insert(s);
      return nullptr;
    }
    return &found_.emplace(index, *std::move(plan)).first->second;
  }

  const EvaluatedPlan* best_within(Bytes memory) const {
    const EvaluatedPlan* best = nullptr;
    for (const auto& [index, plan] : found_)
      if (plan.reserved <= memory && (best == nullptr || faster(plan, *best))) best = &plan;
    return best;
  }

  void descend(Bytes memory) {
    dismissed_.clear();  // by another limit
    const EvaluatedPlan* best = best_within(memory);
    for (int round = 0; round < most_rounds && best != nullptr; ++round) {
      const EvaluatedPlan* const before = best;
      for (const StructureIndex s : moves(before->index / space_.variants())) {
        const EvaluatedPlan* plan = look_at(s, best);
        if (plan != nullptr && plan->reserved <= memory && faster(*plan, *best)) best = plan;
      }
      if (best == before) return;
    }
  }

  // All structures that differ in one inner axis, and grids that differ in one size, or in two that make up for each
  // other.
  std::vector<StructureIndex> moves(StructureIndex from) const {
    std::vector<StructureIndex> to;
    const std::vector<int> digits = space_.digits(from);
    const auto grid = static_cast<std::size_t>(from / space_.inner_size());
    for (std::size_t axis = 0; axis < digits.size(); ++axis)
      for (std::size_t value = 0; value < space_.axes().inner[axis].values.size(); ++value) {
        std::vector<int> other = digits;
        other[axis] = static_cast<int>(value);
        if (other != digits) to.push_back(space_.structure_at(grid, other));
      }
    std::vector<std::size_t> near;
    const std::vector<ParallelGrid>& grids = space_.axes().grids;
    for (std::size_t g = 0; g < grids.size(); ++g)
      if (g != grid && differences(grids[g], grids[grid]) <= 2) near.push_back(g);
    const std::size_t count = std::min(most_grid_moves, near.size());
    for (std::size_t i = 0; i < count; ++i) to.push_back(space_.structure_at(near[i * near.size() / count], digits));
    return to;
  }

  // The other placements of the fastest structures.
  void place_the_best() {
    const EvaluatedPlan* best = best_within(Bytes(std::numeric_limits<double>::infinity()));
    if (best == nullptr) return;
    const PlanIndex first = best->index / space_.variants() * space_.variants();
    for (int v = 0; v < space_.variants(); ++v) {
      if (found_.contains(first + v)) continue;
      if (std::optional<EvaluatedPlan> plan = evaluator_.evaluate(first + v))
        found_.emplace(first + v, *std::move(plan));
    }
  }

  const PlanSpace& space_;
  Evaluator evaluator_;
  std::map<PlanIndex, EvaluatedPlan> found_;
  std::set<StructureIndex> dismissed_;
};

}  // namespace

SearchResult search(const Sweep& sweep, const Routes& routes) {
  return Search(sweep, routes).run(sweep.job.cluster.gpu_memory);
}

Incumbents incumbents_of(const SearchResult& found, int top) {
  Incumbents incumbents;
  if (std::ssize(found.plans) >= top)
    incumbents.slowest_best = found.plans[static_cast<std::size_t>(top) - 1].step_time;
  for (const EvaluatedPlan& plan : pareto_front(found.plans)) incumbents.front.push_back({plan.step_time, plan.peak});
  return incumbents;
}

}  // namespace trainyard
