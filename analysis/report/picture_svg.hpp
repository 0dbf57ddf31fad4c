// Writes SVG elements for the static pictures. Paint is given as the custom property of picture_frame.hpp.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/report/picture_frame.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// What a colour is told apart by without seeing colours.
enum class Texture { solid, diagonal, back_diagonal, vertical, horizontal, dots, hollow };

struct Fill {
  std::string_view property = "--fg";
  Texture texture = Texture::solid;
  friend auto operator<=>(const Fill&, const Fill&) = default;
};

struct TextLook {
  double size = 12;
  std::string_view property = "--fg";
  std::string_view anchor = "start";  // "middle", "end"
  bool strong = false;
};

struct LegendEntry {
  Fill fill;
  std::string label;
  std::optional<Fill> lower = std::nullopt;  // of the lower half, where it differs
};

class Svg {
 public:
  // `title` and `description` name the picture for those who do not see it.
  Svg(const PictureFrame& frame, std::string_view title, std::string_view description);

  double width() const { return frame_.width; }
  bool narrow() const { return frame_.width < 600; }  // units: a phone

  pugi::xml_node rect(double x, double y, double w, double h, const Fill& fill, std::string_view tooltip = {});
  pugi::xml_node line(double x1, double y1, double x2, double y2, std::string_view property, double stroke = 1);
  pugi::xml_node path(const std::string& d, const Fill& fill);
  pugi::xml_node text(double x, double y, std::string_view text, const TextLook& look = {});
  pugi::xml_node circle(double x, double y, double r, const Fill& fill, std::string_view tooltip = {});
  // Swatches with labels from (x, y) down, broken at the width; the y below them.
  double legend(double x, double y, const std::vector<LegendEntry>& entries);

  // `height` of what was drawn.
  std::string finished(double height);

  std::string paint(const Fill& fill);  // for attributes; defines the texture if it is the first use

 private:
  void define(const Fill& fill, const std::string& id);

  PictureFrame frame_;
  pugi::xml_document document_;
  pugi::xml_node root_, definitions_;
  std::map<Fill, std::string> defined_;
};

// "var(--c-forward,#0072b2)"
std::string paint_of(std::string_view property);
// Two decimals at most; what is no finite number is 0.
std::string px(double value);
// Text that XML can hold: control characters are dropped, bytes that are not UTF-8 become '?'.
std::string clean(std::string_view text);
// What a text is wide in a common sans-serif, within a tenth.
double text_width(std::string_view text, double size);
// The text, or as much of it as fits, with a dot-dot-dot.
std::string fitted(std::string_view text, double room, double size);

// Round values from 0 to at most `largest`, at most `most` of them beyond 0.
struct Ticks {
  std::vector<double> at;
  int digits = 0;  // behind the point
  std::string label(std::size_t i) const;
};
Ticks ticks_to(double largest, int most);
// A unit for all times of an axis: "s", "ms" or "us", and its seconds.
struct TimeUnit {
  std::string_view name;
  double seconds;
};
TimeUnit unit_for(Seconds largest);

}  // namespace trainyard
