// Where no plan of a sweep fits: how far off are they?
#pragma once

#include <optional>

#include "analysis/sweep/answer.hpp"
#include "analysis/sweep/sweep.hpp"
#include "topology/routes.hpp"

namespace trainyard {

struct ClosestFit {
  ClosestPlan plan;
  Bytes limit{};  // what a framework can allocate of one GPU
};

// The least memory of the structures that can run; of a large space an even sample is looked at. Nothing if none of
// those can run.
std::optional<ClosestFit> closest_fit(const Sweep& sweep, const Routes& routes);

}  // namespace trainyard
