// A quick planner: the best plans that coordinate descent from a sample of the space finds. Deterministic; its results
// are what a sweep prunes with, and what it asks about changed machines.
#pragma once

#include <vector>

#include "analysis/sweep/evaluate.hpp"

namespace trainyard {

struct SearchResult {
  std::vector<EvaluatedPlan> plans;  // every plan it evaluated, by (step time, index)
};
SearchResult search(const Sweep& sweep, const Routes& routes);

Incumbents incumbents_of(const SearchResult& found, int top);

}  // namespace trainyard
