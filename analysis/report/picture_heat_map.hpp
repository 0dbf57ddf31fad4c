// A table of numbers shaded by their size, each number in its cell.
#pragma once

#include <string>
#include <vector>

#include "analysis/report/picture_frame.hpp"

namespace trainyard {

struct HeatMapCell {
  bool empty = true;
  double shade = 0;    // 0 (ground) … 1 (darkest)
  std::string text;    // in the cell: "41 %"
  std::string detail;  // smaller, below it: "12.3 GB"
  friend bool operator==(const HeatMapCell&, const HeatMapCell&) = default;
};
struct HeatMap {
  std::string title;  // what the cells say
  std::string row_title, column_title;
  std::vector<std::string> rows, columns;
  std::vector<HeatMapCell> cells;  // row by row: rows x columns
  std::string low, high;           // what the ends of the scale mean: "0 %", "100 % of the step"
  friend bool operator==(const HeatMap&, const HeatMap&) = default;
};

std::string heat_map_svg(const HeatMap& map, const PictureFrame& frame);

}  // namespace trainyard
