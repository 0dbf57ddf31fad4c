#include "analysis/report/picture_heat_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/report/picture_svg.hpp"

namespace trainyard {
namespace {

constexpr double cell_height = 40, most_cell_width = 130;
constexpr double faintest = 0.06, darkest = 0.9;  // opacity of a cell's colour over the ground
constexpr double turn = 0.55;                     // shade from which the cell's text is of the ground's colour

double opacity(double shade) {
  return faintest + (darkest - faintest) * (std::isfinite(shade) ? std::clamp(shade, 0.0, 1.0) : 0.0);
}

class HeatMapDrawing {
 public:
  HeatMapDrawing(const HeatMap& map, const PictureFrame& frame) : map_(map), svg_(frame, map.title, description()) {
    double longest = text_width(map.row_title, 12);
    for (const std::string& row : map.rows) longest = std::max(longest, text_width(row, 12));
    const auto count = static_cast<double>(map.columns.size());
    above_ = svg_.narrow() && longest > svg_.width() / 4;
    left_ = above_ ? 4 : std::min(longest + 16, std::max(svg_.width() - most_cell_width * count, svg_.width() * 0.4));
    cell_ = std::min((svg_.width() - left_ - 4) / count, most_cell_width);
  }

  std::string drawn() {
    double y = draw_scale();
    svg_.text(left_, y, fitted(map_.column_title, svg_.width() - left_, 12), {.property = "--muted"});
    if (!above_)
      svg_.text(left_ - 8, y + 20, fitted(map_.row_title, left_ - 8, 12), {.property = "--muted", .anchor = "end"});
    for (std::size_t c = 0; c < map_.columns.size(); ++c)
      svg_.text(left_ + cell_ * (static_cast<double>(c) + 0.5), y + 20, fitted(map_.columns[c], cell_ - 4, 12),
                {.anchor = "middle"});
    y += 28;
    for (std::size_t r = 0; r < map_.rows.size(); ++r, y += cell_height) {
      if (above_) y += 18;
      draw_row(r, y);
    }
    return svg_.finished(y + 4);
  }

 private:
  const HeatMapCell& cell(std::size_t r, std::size_t c) const { return map_.cells[r * map_.columns.size() + c]; }

  std::string description() const {
    std::string text = map_.title + ".";
    for (std::size_t r = 0; r < map_.rows.size(); ++r)
      for (std::size_t c = 0; c < map_.columns.size(); ++c)
        if (!cell(r, c).empty) text += fmt::format(" {}, {}: {};", map_.rows[r], map_.columns[c], cell(r, c).text);
    if (text.back() == ';') text.back() = '.';
    return text;
  }

  double draw_scale() {
    constexpr int steps = 5;
    double x = 4;
    svg_.text(x, 15, map_.low, {.property = "--muted"});
    x += text_width(map_.low, 12) + 8;
    for (int s = 0; s <= steps; ++s, x += 22) shaded(x, 4, 22, 14, static_cast<double>(s) / steps, {});
    svg_.text(x + 8, 15, map_.high, {.property = "--muted"});
    return 38;
  }
  void shaded(double x, double y, double w, double h, double shade, std::string_view tooltip) {
    svg_.rect(x, y, w, h, {"--c-forward"}, tooltip)
        .append_attribute("fill-opacity")
        .set_value(px(opacity(shade)).c_str());
  }

  void draw_row(std::size_t r, double y) {
    if (above_)
      svg_.text(left_, y - 3, fitted(map_.rows[r], svg_.width() - 8, 12));
    else
      svg_.text(left_ - 8, y + cell_height / 2 + 4, fitted(map_.rows[r], left_ - 12, 12), {.anchor = "end"});
    for (std::size_t c = 0; c < map_.columns.size(); ++c) {
      const HeatMapCell& at = cell(r, c);
      const double x = left_ + cell_ * static_cast<double>(c);
      if (at.empty) {
        svg_.rect(x + 1, y + 1, cell_ - 2, cell_height - 2, {"--grid", Texture::hollow});
        continue;
      }
      shaded(x + 1, y + 1, cell_ - 2, cell_height - 2, at.shade,
             fmt::format("{}, {}: {} {}", map_.rows[r], map_.columns[c], at.text, at.detail));
      draw_numbers(at, x + cell_ / 2, y);
    }
  }
  void draw_numbers(const HeatMapCell& at, double x, double y) {
    const std::string_view colour = at.shade >= turn ? "--bg" : "--fg";
    const bool both = !at.detail.empty() && text_width(at.detail, 10) <= cell_ - 4;
    svg_.text(x, y + (both ? 17 : 24), fitted(at.text, cell_ - 4, 12),
              {.property = colour, .anchor = "middle", .strong = true});
    if (both) svg_.text(x, y + 31, at.detail, {.size = 10, .property = colour, .anchor = "middle"});
  }

  const HeatMap& map_;
  Svg svg_;
  double left_ = 0, cell_ = 0;
  bool above_ = false;  // rows are named above, not beside their cells
};

}  // namespace

std::string heat_map_svg(const HeatMap& map, const PictureFrame& frame) {
  if (map.rows.empty() || map.columns.empty() || map.cells.size() != map.rows.size() * map.columns.size()) return {};
  return HeatMapDrawing(map, frame).drawn();
}

}  // namespace trainyard
