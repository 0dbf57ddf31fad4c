#include "analysis/sweep/placement_worth.hpp"

#include <fmt/format.h>

#include <set>

namespace trainyard {

std::string words_of(const PlacementVariant& variant) {
  return fmt::format("{} {}", variant.rank_order, name(variant.placement.placement));
}

std::optional<PlacementWorth> placement_worth(const PlanSpace& space, Evaluator& evaluator, PlanIndex index) {
  const PlanIndex first = index - index % space.variants();
  PlacementWorth worth;
  std::set<Seconds> times;
  for (int variant = 0; variant < space.variants(); ++variant) {
    const std::optional<EvaluatedPlan> plan = evaluator.evaluate(first + variant);
    if (!plan) continue;
    const std::string words = words_of(space.axes().variants[static_cast<std::size_t>(variant)]);
    if (times.empty() || plan->step_time < worth.best_step) worth.best = words, worth.best_step = plan->step_time;
    if (times.empty() || plan->step_time > worth.worst_step) worth.worst = words, worth.worst_step = plan->step_time;
    times.insert(plan->step_time);
  }
  if (times.empty()) return std::nullopt;
  worth.variants = static_cast<int>(times.size());
  return worth;
}

}  // namespace trainyard
