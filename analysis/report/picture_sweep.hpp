// Static pictures of a sweep, as those of a step (picture_step.hpp).
#pragma once

#include <string>
#include <vector>

#include "analysis/report/picture_frame.hpp"
#include "analysis/report/picture_heat_map.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

struct ScatterPlan {
  Seconds step_time{};
  Bytes memory{};
  std::string name;    // shown beside the point if `front` and there is room; in its tooltip always
  bool front = false;  // nobody is both faster and smaller
  bool fits = true;    // hollow if not
  friend bool operator==(const ScatterPlan&, const ScatterPlan&) = default;
};

// Memory (x) against step time (y), the front as a stepped line, the limit as a dashed one. Points that are no numbers
// are left out.
std::string pareto_svg(const std::vector<ScatterPlan>& plans, Bytes limit, const PictureFrame& frame);

// The best step time of every pair of two settings' values; the fastest is darkest. Values in the order of their first
// occurrence if they are words, ascending if they are numbers.
struct AxesPoint {
  std::string row, column;  // values of the two settings
  Seconds step_time{};
};
HeatMap axes_heat_map(const std::string& row_setting, const std::string& column_setting,
                      const std::vector<AxesPoint>& points);

}  // namespace trainyard
