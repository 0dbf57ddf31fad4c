#include "analysis/calibration/fit_plot_svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

namespace trainyard {
namespace {

using Point = std::pair<double, double>;

// In pixels of the picture.
constexpr double panel_width = 460, panel_height = 330;
constexpr double left = 72, right = 18, top = 40, bottom = 50;  // around the axes
constexpr std::size_t panels_per_row = 2;
constexpr std::size_t longest_title = 54;  // characters of 12 px, bold
constexpr std::size_t most_points = 2000;  // per panel: more cannot be told apart and make the file large

// Greys and two hues of middle lightness have contrast enough on white and on black.
constexpr std::string_view style =
    "text{font:12px sans-serif;fill:#7a7a7a}.t{font-weight:bold}.a{stroke:#8a8a8a;fill:none}"
    ".g{stroke:#8a8a8a;stroke-opacity:.25}.m{fill:#2f86c8;fill-opacity:.7}"
    ".f{stroke:#d9662b;stroke-width:2;fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#b4b4b4}}";

bool usable(const Point& p) { return p.first > 0 && p.second > 0 && std::isfinite(p.first) && std::isfinite(p.second); }

std::vector<Point> usable_points(const std::vector<Point>& points) {
  std::vector<Point> result;
  std::copy_if(points.begin(), points.end(), std::back_inserter(result), usable);
  return result;
}

// XML text: markup escaped, characters that XML does not allow left out.
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else if (static_cast<unsigned char>(c) >= 0x20)
      result += c;
  }
  return result;
}

// Decimal exponents and where they lie; an axis spans whole powers of ten.
struct Axis {
  int low = 0, high = 1;
  double begin = 0, end = 1;  // pixels
  double at(double value) const { return begin + (std::log10(value) - low) / (high - low) * (end - begin); }
  int step() const { return std::max(1, (high - low + 5) / 6); }  // at most seven numbers
};

Axis axis_over(const std::vector<Point>& points, double Point::*member, double begin, double end) {
  Axis axis{0, 1, begin, end};
  if (points.empty()) return axis;
  double low = points.front().*member, high = low;
  for (const Point& p : points) {
    low = std::min(low, p.*member);
    high = std::max(high, p.*member);
  }
  axis.low = static_cast<int>(std::floor(std::log10(low)));
  axis.high = std::max(axis.low + 1, static_cast<int>(std::ceil(std::log10(high))));
  return axis;
}

// "1k", "10M", "100 µ": a power of ten as people say it.
std::string tick_text(int exponent) {
  if (exponent < -9 || exponent > 14) return fmt::format("1e{}", exponent);
  constexpr std::array<std::string_view, 8> prefixes = {"n", "µ", "m", "", "k", "M", "G", "T"};
  const int group = (exponent + 9) / 3;
  constexpr std::array<std::string_view, 3> numbers = {"1", "10", "100"};
  return fmt::format("{}{}", numbers[static_cast<std::size_t>((exponent + 9) % 3)],
                     prefixes[static_cast<std::size_t>(group)]);
}

std::string vertical_ticks(const Axis& x, const Axis& y) {
  std::string svg;
  for (int e = x.low; e <= x.high; e += x.step()) {
    const double at = x.at(std::pow(10.0, e));
    svg += fmt::format("<line class=\"g\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>", at, y.begin,
                       y.end);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n", at, y.begin + 16,
                       tick_text(e));
  }
  return svg;
}

std::string horizontal_ticks(const Axis& x, const Axis& y) {
  std::string svg;
  for (int e = y.low; e <= y.high; e += y.step()) {
    const double at = y.at(std::pow(10.0, e));
    svg += fmt::format("<line class=\"g\" x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>", x.begin, x.end,
                       at);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", x.begin - 6, at + 4,
                       tick_text(e));
  }
  return svg;
}

std::string dots(const std::vector<Point>& points, const Axis& x, const Axis& y) {
  std::string svg;
  const std::size_t stride = points.size() / most_points + 1;
  for (std::size_t i = 0; i < points.size(); i += stride)
    svg += fmt::format("<circle class=\"m\" r=\"2.5\" cx=\"{:.1f}\" cy=\"{:.1f}\"/>\n", x.at(points[i].first),
                       y.at(points[i].second));
  return svg;
}

std::string line(std::vector<Point> points, const Axis& x, const Axis& y) {
  if (points.empty()) return {};
  std::stable_sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.first < b.first; });
  std::string svg = "<polyline class=\"f\" points=\"";
  for (const Point& p : points) svg += fmt::format("{:.1f},{:.1f} ", x.at(p.first), y.at(p.second));
  return svg + "\"/>\n";
}

// Up to as many characters as fit over a panel; the whole shows when the pointer rests on it.
std::string title_text(const std::string& title) {
  std::size_t characters = 0, end = 0;  // `end`: of the text that is kept if it has to be cut
  for (std::size_t i = 0; i < title.size(); ++i) {
    if ((static_cast<unsigned char>(title[i]) & 0xC0U) == 0x80U) continue;  // inside a UTF-8 character
    if (++characters == longest_title) end = i;
  }
  if (characters <= longest_title) return escaped(title);
  return fmt::format("{}…<title>{}</title>", escaped(title.substr(0, end)), escaped(title));
}

std::string labels(const FitCurve& curve, const Axis& x, const Axis& y) {
  const double middle = (y.begin + y.end) / 2;
  return fmt::format("<text class=\"t\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", x.begin, top - 14,
                     title_text(curve.title)) +
         fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n", (x.begin + x.end) / 2,
                     y.begin + 36, escaped(curve.x_label)) +
         fmt::format(
             "<text x=\"16\" y=\"{0:.1f}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {0:.1f})\">{1}</text>\n",
             middle, escaped(curve.y_label));
}

std::string panel(const FitCurve& curve) {
  const std::vector<Point> measured = usable_points(curve.measured), fitted = usable_points(curve.fitted);
  std::vector<Point> all = measured;
  all.insert(all.end(), fitted.begin(), fitted.end());
  const Axis x = axis_over(all, &Point::first, left, panel_width - right);
  const Axis y = axis_over(all, &Point::second, panel_height - bottom, top);  // pixels grow downwards
  std::string svg = labels(curve, x, y);
  if (all.empty())
    return svg + fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">no points</text>\n", left + 20, panel_height / 2);
  svg += vertical_ticks(x, y) + horizontal_ticks(x, y);
  svg += fmt::format("<rect class=\"a\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n", x.begin,
                     y.end, x.end - x.begin, y.begin - y.end);
  return svg + dots(measured, x, y) + line(fitted, x, y);
}

}  // namespace

std::string fit_plot_svg(const std::vector<FitCurve>& curves) {
  const std::size_t columns = std::min(std::max<std::size_t>(curves.size(), 1), panels_per_row);
  const std::size_t rows = (std::max<std::size_t>(curves.size(), 1) + panels_per_row - 1) / panels_per_row;
  const double width = panel_width * static_cast<double>(columns);
  const double height = panel_height * static_cast<double>(rows);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} "
      "{1:.0f}\">\n"
      "<title>measured (points) and fitted (line)</title>\n<style>{2}</style>\n",
      width, height, style);
  for (std::size_t i = 0; i < curves.size(); ++i)
    svg += fmt::format("<g transform=\"translate({:.0f} {:.0f})\">\n{}</g>\n",
                       panel_width * static_cast<double>(i % panels_per_row),
                       panel_height * static_cast<double>(i / panels_per_row), panel(curves[i]));
  return svg + "</svg>\n";
}

}  // namespace trainyard
