// What a placement search found, against the packed placement of the same plan.
#pragma once

#include "sim/base/units.hpp"

namespace trainyard {

struct PlacementGain {
  Seconds packed_step{};     // of the packed placement in the plan's rank order
  Seconds packed_exposed{};  // its exposed communication, of the average GPU
  Seconds step{};            // of the chosen placement
  Seconds exposed{};
  int evaluated = 0;   // distinct placements simulated, packed among them
  int equivalent = 0;  // candidates that a symmetry of machine or job carries into one of those
  // Part of the packed step that is saved, 0 … 1.
  double saved() const { return packed_step.value > 0 ? 1.0 - step / packed_step : 0.0; }
  friend bool operator==(const PlacementGain&, const PlacementGain&) = default;
};

}  // namespace trainyard
