#include "analysis/adaptation/scatter_svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

namespace trainyard {
namespace {

// Pixels.
constexpr double left = 60, top = 20, side = 520, legend = 180, bottom = 50;
constexpr std::size_t most_points = 150;  // of a group: more only cover each other

// Hues of middle lightness, told apart on white and on black.
constexpr std::array<std::string_view, 13> colours = {"#2f86c8", "#d9662b", "#3a9a4f", "#b65fc4", "#c79a16",
                                                      "#c8455b", "#4aa8a0", "#8a6fd1", "#7f8c2f", "#a36a4a",
                                                      "#5577aa", "#d070a0", "#888888"};

struct Point {
  double measured;
  double predicted;
};
using Group = std::pair<std::string, std::vector<Point>>;

std::vector<Group> groups_of(const std::vector<ValidatedRun>& rows) {
  std::vector<Group> groups;
  for (const ValidatedRun& row : rows) {
    const std::optional<double> error = step_time_error(row);
    if (!error) continue;
    auto group =
        std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.first == row.run.split_group; });
    if (group == groups.end()) group = groups.insert(group, {row.run.split_group, {}});
    const double measured = row.run.measured_step_time()->value;
    group->second.push_back({measured, measured * (1 + *error)});
  }
  return groups;
}

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '&')
      safe += "&amp;";
    else if (c == '<')
      safe += "&lt;";
    else if (static_cast<unsigned char>(c) >= ' ')
      safe += c;
  }
  return safe;
}

// Whole powers of ten, the same for both axes.
struct Scale {
  int low = 0;
  int high = 1;
  double share(double seconds) const { return std::clamp((std::log10(seconds) - low) / (high - low), 0.0, 1.0) * side; }
  double x(double seconds) const { return left + share(seconds); }
  double y(double seconds) const { return top + side - share(seconds); }
};

Scale scale_of(const std::vector<Group>& groups) {
  double low = 1, high = 1;
  for (const Group& group : groups)
    for (const Point& p : group.second) {
      low = std::min({low, p.measured, p.predicted});
      high = std::max({high, p.measured, p.predicted});
    }
  const int from = static_cast<int>(std::floor(std::log10(low)));
  return {from, std::max(from + 1, static_cast<int>(std::ceil(std::log10(high))))};
}

std::string grid(const Scale& scale) {
  std::string svg;
  for (int e = scale.low; e <= scale.high; ++e) {
    const double t = std::pow(10.0, e);
    svg += fmt::format("<path class=\"g\" d=\"M{0:.1f} {1:.1f}V{2:.1f}M{3:.1f} {4:.1f}H{5:.1f}\"/>\n", scale.x(t), top,
                       top + side, left, scale.y(t), left + side);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:g} s</text>\n", scale.x(t),
                       top + side + 16, t);
    svg +=
        fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:g} s</text>\n", left - 6, scale.y(t) + 4, t);
  }
  return svg;
}

// predicted = factor x measured, over the part of the square that it crosses.
std::string diagonal(const Scale& scale, double factor, std::string_view kind) {
  const double from = std::pow(10.0, scale.low), to = std::pow(10.0, scale.high);
  const double first = factor < 1 ? from / factor : from, last = factor > 1 ? to / factor : to;
  return fmt::format("<path class=\"{}\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>\n", kind, scale.x(first),
                     scale.y(first * factor), scale.x(last), scale.y(last * factor));
}

std::string dots(const Group& group, const Scale& scale, std::string_view colour) {
  std::string svg = fmt::format("<g fill=\"{}\" fill-opacity=\".65\">\n", colour);
  const std::size_t drawn = std::min(group.second.size(), most_points);
  for (std::size_t i = 0; i < drawn; ++i) {
    const Point& p = group.second[i * group.second.size() / drawn];
    svg += fmt::format("<circle r=\"2.5\" cx=\"{:.1f}\" cy=\"{:.1f}\"/>\n", scale.x(p.measured), scale.y(p.predicted));
  }
  return svg + "</g>\n";
}

std::string legend_line(const Group& group, std::size_t place, std::string_view colour) {
  const double y = top + 12 + 18 * static_cast<double>(place);
  return fmt::format(
      "<circle r=\"4\" fill=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\"/><text x=\"{:.1f}\" y=\"{:.1f}\">{} ({})</text>\n",
      colour, left + side + 18, y - 4, left + side + 28, y, escaped(group.first), group.second.size());
}

}  // namespace

std::string scatter_svg(const std::vector<ValidatedRun>& rows) {
  const std::vector<Group> groups = groups_of(rows);
  const Scale scale = scale_of(groups);
  const double width = left + side + legend, height = top + side + bottom;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" height=\"{1:g}\">\n"
      "<title>Predicted against measured step times</title>\n"
      "<style>text{{font:12px sans-serif;fill:#777}}.g{{stroke:#888;stroke-opacity:.25}}.d{{stroke:#888}}"
      ".t{{stroke:#888;stroke-dasharray:4 3}}@media(prefers-color-scheme:dark){{text{{fill:#b4b4b4}}}}</style>\n",
      width, height);
  svg += grid(scale) + diagonal(scale, 1.0, "d") + diagonal(scale, 1.1, "t") + diagonal(scale, 1 / 1.1, "t");
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::string_view colour = colours[i % colours.size()];
    svg += dots(groups[i], scale, colour) + legend_line(groups[i], i, colour);
  }
  svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">measured</text>\n", left + side / 2,
                     top + side + 38);
  svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">predicted</text>\n", left + 6, top + 14);
  return svg + "</svg>\n";
}

}  // namespace trainyard
