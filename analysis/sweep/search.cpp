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
constexpr std::size_t most_grid_moves = 4000;
constexpr int most_rounds = 8;

// Descents are led by the step time of plans that need at most this share of the GPU; 0: by memory alone.
constexpr std::array<double, 10> memory_shares = {1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0};

int differences(const ParallelGrid& a, const ParallelGrid& b) {
  return (a.tp != b.tp) + (a.pp != b.pp) + (a.vpp != b.vpp) + (a.cp != b.cp) + (a.ep != b.ep) + (a.etp != b.etp) +
         (a.micro_batch_size != b.micro_batch_size) + (a.schedule != b.schedule);
}

class Search {
 public:
  Search(const Sweep& sweep, const Routes& routes) : space_(sweep.space), evaluator_(sweep, routes) {}

  SearchResult run(Bytes capacity, int top) {
    if (space_.structures() == 0) return {};
    const StructureIndex samples = std::min(sample_size, space_.structures());
    for (StructureIndex i = 0; i < samples; ++i) look_at(i * space_.structures() / samples, nullptr, capacity);
    for (const double share : memory_shares) descend(share * capacity);
    look_around(top);
    place_the_best();
    SearchResult result;
    for (auto& [index, plan] : found_) result.plans.push_back(std::move(plan));
    std::sort(result.plans.begin(), result.plans.end(), faster);
    return result;
  }

 private:
  // Evaluates the first placement of a structure, unless it provably takes longer than `best` or, as `best` does not,
  // more memory.
  const EvaluatedPlan* look_at(StructureIndex s, const EvaluatedPlan* best, Bytes memory) {
    const PlanIndex index = s * space_.variants();
    const auto known = found_.find(index);
    if (known != found_.end()) return &known->second;
    if (dismissed_.contains(s)) return nullptr;
    Incumbents limit;
    if (best != nullptr && best->peak <= memory) limit = {best->step_time, {{Seconds(0), Bytes(0)}}, {}};
    if (best != nullptr) limit.largest = std::max(memory, best->peak);
    std::optional<EvaluatedPlan> plan = evaluator_.evaluate(index, limit);
    if (!plan) {
      dismissed_.insert(s);
      return nullptr;
    }
    return &found_.emplace(index, *std::move(plan)).first->second;
  }

  // What exceeds the memory comes first, then the time.
  static bool better(const EvaluatedPlan& a, const EvaluatedPlan& b, Bytes memory) {
    const Bytes of_a = std::max(Bytes(0), a.peak - memory), of_b = std::max(Bytes(0), b.peak - memory);
    return of_a != of_b ? of_a < of_b : faster(a, b);
  }
  const EvaluatedPlan* best_within(Bytes memory) const {
    const EvaluatedPlan* best = nullptr;
    for (const auto& [index, plan] : found_)
      if (best == nullptr || better(plan, *best, memory)) best = &plan;
    return best;
  }

  void descend(Bytes memory) {
    dismissed_.clear();  // by another limit
    const EvaluatedPlan* best = best_within(memory);
    for (int round = 0; round < most_rounds && best != nullptr; ++round) {
      const EvaluatedPlan* const before = best;
      for (const StructureIndex s : moves(before->index / space_.variants())) {
        const EvaluatedPlan* plan = look_at(s, best, memory);
        if (plan != nullptr && better(*plan, *best, memory)) best = plan;
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

  // The other placements of the fastest structure, and whatever around it may be among the `top` best.
  void look_around(int top) {
    const EvaluatedPlan* best = best_within(Bytes(std::numeric_limits<double>::infinity()));
    if (best == nullptr) return;
    dismissed_.clear();
    for (const StructureIndex s : moves(best->index / space_.variants())) {
      std::vector<double> times;
      for (const auto& [index, plan] : found_) times.push_back(plan.step_time.value);
      EvaluatedPlan last = *best;
      if (std::ssize(times) >= top) {
        std::nth_element(times.begin(), times.begin() + (top - 1), times.end());
        last.step_time = Seconds(times[static_cast<std::size_t>(top) - 1]);
      } else {
        last.step_time = Seconds(std::numeric_limits<double>::infinity());
      }
      look_at(s, &last, Bytes(std::numeric_limits<double>::infinity()));
    }
  }
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
  return Search(sweep, routes).run(sweep.job.cluster.gpu_memory, sweep.top);
}

Incumbents incumbents_of(const SearchResult& found, int top) {
  Incumbents incumbents;
  if (std::ssize(found.plans) >= top)
    incumbents.slowest_best = found.plans[static_cast<std::size_t>(top) - 1].step_time;
  for (const EvaluatedPlan& plan : pareto_front(found.plans)) incumbents.front.push_back({plan.step_time, plan.peak});
  return incumbents;
}

}  // namespace trainyard
