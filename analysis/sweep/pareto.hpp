// The order of plans, and those that no other plan beats.
#pragma once

#include <algorithm>
#include <vector>

#include "analysis/sweep/outcome.hpp"

namespace trainyard {

// By step time, then by index.
inline bool faster(const EvaluatedPlan& a, const EvaluatedPlan& b) {
  return a.step_time != b.step_time ? a.step_time < b.step_time : a.index < b.index;
}

// Plans of which no other is as fast and as small, by rising step time; of equals the one with the least index.
inline std::vector<EvaluatedPlan> pareto_front(std::vector<EvaluatedPlan> plans) {
  std::sort(plans.begin(), plans.end(), [](const EvaluatedPlan& a, const EvaluatedPlan& b) {
    if (a.step_time != b.step_time) return a.step_time < b.step_time;
    return a.peak != b.peak ? a.peak < b.peak : a.index < b.index;
  });
  std::vector<EvaluatedPlan> front;
  for (EvaluatedPlan& plan : plans)
    if (front.empty() || plan.peak < front.back().peak) front.push_back(std::move(plan));
  return front;
}

}  // namespace trainyard
