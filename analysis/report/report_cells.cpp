#include "analysis/report/report_cells.hpp"

#include <fmt/format.h>

namespace trainyard {

std::string sort_key(double value) { return fmt::format("{:.9g}", value); }

HtmlCell time_cell(Seconds time, const TimeScale& scale) { return {scale.number(time), sort_key(time.value)}; }
HtmlCell percent_cell(double share) { return {percent(share), sort_key(share)}; }
HtmlCell gib_cell(Bytes bytes, int decimals) {
  return {fmt::format("{:.{}f}", in_gib(bytes), decimals), fmt::format("{:.0f}", bytes.value)};
}

void add_tile(Element tiles, std::string_view what, std::string_view value, std::string_view more) {
  Element tile = add(tiles, "div", {}, "tile");
  add(tile, "dt", what);
  add(tile, "dd", value);
  if (!more.empty()) add(tile, "dd", more, "more");
}

}  // namespace trainyard
