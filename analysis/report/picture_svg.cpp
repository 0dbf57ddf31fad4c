#include "analysis/report/picture_svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "analysis/text_layout.hpp"
#include "sim/base/utf8.hpp"

namespace trainyard {
namespace {

constexpr std::string_view font = "system-ui,-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif";
constexpr double texture_size = 6;       // units from one line of a texture to the next
constexpr double swatch = 12, row = 20;  // of a legend

std::string_view name(Texture texture) {
  switch (texture) {
    case Texture::solid:
      return "solid";
    case Texture::diagonal:
      return "diagonal";
    case Texture::back_diagonal:
      return "back";
    case Texture::vertical:
      return "vertical";
    case Texture::horizontal:
      return "horizontal";
    case Texture::dots:
      return "dots";
    case Texture::hollow:
      return "hollow";
  }
  return "?";
}

void set(pugi::xml_node node, const char* attribute, double value) {
  node.append_attribute(attribute).set_value(px(value).c_str());
}
void set(pugi::xml_node node, const char* attribute, const std::string& value) {
  node.append_attribute(attribute).set_value(value.c_str());
}

void add_tooltip(pugi::xml_node node, std::string_view tooltip) {
  if (!tooltip.empty()) node.append_child("title").text().set(clean(tooltip).c_str());
}

}  // namespace

std::string picture_properties(bool dark) {
  std::string text;
  for (const PictureColour& c : picture_colours) text += fmt::format("{}:{};", c.property, dark ? c.dark : c.light);
  return text;
}

std::string paint_of(std::string_view property) {
  const auto found = std::find_if(picture_colours.begin(), picture_colours.end(),
                                  [&](const PictureColour& c) { return c.property == property; });
  return found == picture_colours.end() ? std::string("currentColor")
                                        : fmt::format("var({},{})", property, found->light);
}

std::string px(double value) {
  if (!std::isfinite(value)) return "0";
  std::string text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string clean(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0)
      out += '?';
    else if (length > 1 || static_cast<unsigned char>(text[i]) >= 0x20)
      out += text.substr(i, length);
    i += std::max<std::size_t>(length, 1);
  }
  return out;
}

double text_width(std::string_view text, double size) {
  constexpr double mean_character = 0.56;  // em, of Helvetica's lower case and digits
  return mean_character * size * static_cast<double>(columns(text));
}

std::string fitted(std::string_view text, double room, double size) {
  std::string out = clean(text);
  if (text_width(out, size) <= room) return out;
  while (!out.empty() && text_width(out, size) + size > room) {
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xc0U) == 0x80U) out.pop_back();
    if (!out.empty()) out.pop_back();
  }
  return out + "…";
}

std::string Ticks::label(std::size_t i) const { return fmt::format("{:.{}f}", at[i], digits); }

Ticks ticks_to(double largest, int most) {
  Ticks ticks;
  if (!(largest > 0) || !std::isfinite(largest)) return {{0.0}, 0};
  const double least_step = largest / std::max(most, 1);
  const double power = std::pow(10.0, std::floor(std::log10(least_step)));
  double step = 10 * power;
  for (const double nice : {5.0, 2.0, 1.0})
    if (nice * power >= least_step * (1 - 1e-9)) step = nice * power;
  ticks.digits = std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
  for (int i = 0; i * step <= largest * (1 + 1e-9); ++i) ticks.at.push_back(i * step);
  return ticks;
}

TimeUnit unit_for(Seconds largest) {
  if (largest.value >= 1) return {"s", 1};
  if (largest.value >= 1e-3) return {"ms", 1e-3};
  return {"us", 1e-6};
}

Svg::Svg(const PictureFrame& frame, std::string_view title, std::string_view description) : frame_(frame) {
  frame_.width = std::isfinite(frame.width) ? std::clamp(frame.width, 240.0, 4000.0) : 960.0;
  root_ = document_.append_child("svg");
  set(root_, "xmlns", std::string("http://www.w3.org/2000/svg"));
  set(root_, "viewBox", std::string());
  set(root_, "role", std::string("img"));
  set(root_, "aria-labelledby", fmt::format("{0}-title {0}-desc", frame_.id));
  set(root_, "font-family", std::string(font));
  for (const auto& [tag, text] : {std::pair("title", title), std::pair("desc", description)}) {
    pugi::xml_node node = root_.append_child(tag);
    set(node, "id", fmt::format("{}-{}", frame_.id, tag));
    node.text().set(clean(text).c_str());
  }
  definitions_ = root_.append_child("defs");
}

pugi::xml_node Svg::rect(double x, double y, double w, double h, const Fill& fill, std::string_view tooltip) {
  pugi::xml_node node = root_.append_child("rect");
  set(node, "x", x);
  set(node, "y", y);
  set(node, "width", std::max(w, 0.0));
  set(node, "height", std::max(h, 0.0));
  set(node, "fill", paint(fill));
  if (fill.texture == Texture::hollow) set(node, "stroke", paint_of(fill.property));
  add_tooltip(node, tooltip);
  return node;
}

pugi::xml_node Svg::line(double x1, double y1, double x2, double y2, std::string_view property, double stroke) {
  pugi::xml_node node = root_.append_child("line");
  set(node, "x1", x1);
  set(node, "y1", y1);
  set(node, "x2", x2);
  set(node, "y2", y2);
  set(node, "stroke", paint_of(property));
  set(node, "stroke-width", stroke);
  return node;
}

pugi::xml_node Svg::path(const std::string& d, const Fill& fill) {
  pugi::xml_node node = root_.append_child("path");
  set(node, "d", d);
  set(node, "fill", paint(fill));
  if (fill.texture == Texture::hollow) set(node, "stroke", paint_of(fill.property));
  return node;
}

pugi::xml_node Svg::text(double x, double y, std::string_view text, const TextLook& look) {
  pugi::xml_node node = root_.append_child("text");
  set(node, "x", x);
  set(node, "y", y);
  set(node, "font-size", look.size);
  set(node, "fill", paint_of(look.property));
  if (look.anchor != "start") set(node, "text-anchor", std::string(look.anchor));
  if (look.strong) set(node, "font-weight", std::string("600"));
  node.text().set(clean(text).c_str());
  return node;
}

pugi::xml_node Svg::circle(double x, double y, double r, const Fill& fill, std::string_view tooltip) {
  pugi::xml_node node = root_.append_child("circle");
  set(node, "cx", x);
  set(node, "cy", y);
  set(node, "r", r);
  set(node, "fill", paint(fill));
  if (fill.texture == Texture::hollow) set(node, "stroke", paint_of(fill.property));
  add_tooltip(node, tooltip);
  return node;
}

double Svg::legend(double x, double y, const std::vector<LegendEntry>& entries) {
  double at = x;
  for (const LegendEntry& entry : entries) {
    const double wide = swatch + 6 + text_width(entry.label, 12);
    if (at > x && at + wide > frame_.width - 4) at = x, y += row;
    rect(at, y, swatch, swatch, entry.fill);
    if (entry.lower) rect(at, y + swatch / 2, swatch, swatch / 2, *entry.lower);
    text(at + swatch + 6, y + 10.5, entry.label, {.property = "--muted"});
    at += wide + 16;
  }
  return y + row;
}

std::string Svg::finished(double height) {
  root_.attribute("viewBox").set_value(fmt::format("0 0 {} {}", px(frame_.width), px(height)).c_str());
  if (definitions_.empty() || !definitions_.first_child()) root_.remove_child(definitions_);
  std::ostringstream out;
  document_.save(out, "", pugi::format_raw | pugi::format_no_declaration, pugi::encoding_utf8);
  return out.str();
}

std::string Svg::paint(const Fill& fill) {
  if (fill.texture == Texture::hollow) return "none";
  if (fill.texture == Texture::solid) return paint_of(fill.property);
  const auto [known, added] =
      defined_.try_emplace(fill, fmt::format("{}{}-{}", frame_.id, fill.property.substr(1), name(fill.texture)));
  if (added) define(fill, known->second);
  return fmt::format("url(#{})", known->second);
}

// Lines of the ground's colour over the fill: light in light, dark in dark.
void Svg::define(const Fill& fill, const std::string& id) {
  pugi::xml_node pattern = definitions_.append_child("pattern");
  set(pattern, "id", id);
  set(pattern, "width", texture_size);
  set(pattern, "height", texture_size);
  set(pattern, "patternUnits", std::string("userSpaceOnUse"));
  if (fill.texture == Texture::diagonal) set(pattern, "patternTransform", std::string("rotate(45)"));
  if (fill.texture == Texture::back_diagonal) set(pattern, "patternTransform", std::string("rotate(-45)"));
  pugi::xml_node ground = pattern.append_child("rect");
  set(ground, "width", texture_size);
  set(ground, "height", texture_size);
  set(ground, "fill", paint_of(fill.property));
  const bool quiet = fill.property == "--c-idle";  // too light to be drawn on with the ground's colour
  const std::string stroke = paint_of(quiet ? "--c-other" : "--bg");
  pugi::xml_node mark = pattern.append_child(fill.texture == Texture::dots ? "circle" : "path");
  if (fill.texture == Texture::dots) {
    for (const char* centre : {"cx", "cy"}) set(mark, centre, texture_size / 2);
    set(mark, "r", 1.2);
    set(mark, "fill", stroke);
  } else {
    set(mark, "d", std::string(fill.texture == Texture::horizontal ? "M0 3H6" : "M3 0V6"));
    set(mark, "stroke", stroke);
    set(mark, "stroke-width", quiet ? 0.8 : 1.4);
  }
  set(mark, "opacity", 0.7);
}

}  // namespace trainyard
