// Cells and tiles that sections share: a text to read, and the number that its column is sorted by.
#pragma once

#include <string>
#include <string_view>

#include "analysis/report/html.hpp"
#include "analysis/text_layout.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// Where a plan that does not fit, or a time that cannot be had, stands in a sorted column: last.
inline constexpr const char* sorted_last = "1e300";

std::string sort_key(double value);
HtmlCell time_cell(Seconds time, const TimeScale& scale);
HtmlCell percent_cell(double share);  // 0.5: 50.0 %
HtmlCell gib_cell(Bytes bytes, int decimals);

// One of the key numbers below the headline; `more` may be empty.
void add_tile(Element tiles, std::string_view what, std::string_view value, std::string_view more);

}  // namespace trainyard
