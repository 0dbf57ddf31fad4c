// Fitted curves as a picture: one panel per curve in a grid, both axes logarithmic with ticks at powers of ten and
// their numbers, measured points, the fit as a line. A static SVG that reads on light and on dark backgrounds.
#pragma once

#include <string>
#include <vector>

#include "analysis/calibration/fit_report.hpp"

namespace trainyard {

// Points that are not positive and finite are left out. A panel without points says so.
std::string fit_plot_svg(const std::vector<FitCurve>& curves);

}  // namespace trainyard
