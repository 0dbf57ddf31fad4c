#include "analysis/report/html.hpp"

#include <algorithm>

#include "analysis/report/picture_svg.hpp"

namespace trainyard {
namespace {

Element add_drawing(Element parent, const char* css_class, const std::string& svg) {
  Element holder = add(parent, "div", {}, css_class);
  holder.append_buffer(svg.data(), svg.size(), pugi::parse_default, pugi::encoding_utf8);
  return holder;
}

void add_zoom_tools(Element parent) {
  Element tools = add(parent, "div", {}, "tools interactive");
  set(tools, "role", "group");
  set(tools, "aria-label", "zoom");
  constexpr const char* buttons[][2] = {
      {"in", "Zoom in"}, {"out", "Zoom out"}, {"back", "◀ Earlier"}, {"on", "Later ▶"}, {"all", "Show all"}};
  for (const auto& [action, label] : buttons) {
    Element button = add(tools, "button", label);
    set(button, "type", "button");
    set(button, "data-zoom", action);
  }
  set(add(tools, "output"), "aria-live", "polite");
}

// A text that keeps its line breaks.
std::string clean_lines(std::string_view text) {
  std::string out;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    if (from > 0) out += '\n';
    out += clean(text.substr(from, end - from));
    from = end + 1;
  }
  return out;
}

}  // namespace

Element add(Element parent, const char* tag, std::string_view text) {
  Element element = parent.append_child(tag);
  if (!text.empty()) add_text(element, text);
  return element;
}

Element add(Element parent, const char* tag, std::string_view text, const char* css_class) {
  Element element = add(parent, tag, text);
  if (css_class != nullptr) set(element, "class", css_class);
  return element;
}

void set(Element element, const char* attribute, std::string_view value) {
  element.append_attribute(attribute).set_value(clean(value).c_str());
}

void add_text(Element element, std::string_view text) {
  element.append_child(pugi::node_pcdata).set_value(clean_lines(text).c_str());
}

Element section(Element parent, const std::string& id, std::string_view title) {
  Element s = add(parent, "section");
  set(s, "id", id);
  set(s, "aria-labelledby", id + "-heading");
  set(add(s, "h2", title), "id", id + "-heading");
  return s;
}

Element figure(Element parent, const DrawnPicture& picture, std::string_view caption, const std::string& chart) {
  if (picture.empty()) return {};
  Element f = add(parent, "figure");
  if (!chart.empty()) {
    set(f, "data-chart", chart);
    add_zoom_tools(f);
    add(f, "div", {}, "chart interactive");
  }
  Element drawn = add(f, "div", {}, "replaced");
  add_drawing(drawn, "wide", picture.wide);
  add_drawing(drawn, "narrow", picture.narrow);
  if (!caption.empty()) add(f, "figcaption", caption);
  return f;
}

HtmlTable::HtmlTable(Element parent, std::string_view caption, std::vector<HtmlColumn> columns,
                     std::string_view css_class)
    : columns_(std::move(columns)) {
  Element holder = trainyard::add(parent, "div", {}, "scroll");
  set(holder, "role", "region");
  set(holder, "aria-label", caption);
  set(holder, "tabindex", "0");
  Element table = trainyard::add(holder, "table");
  if (!css_class.empty()) set(table, "class", css_class);
  trainyard::add(trainyard::add(table, "caption"), "span", caption);  // stays in view while the table scrolls
  Element head = trainyard::add(trainyard::add(table, "thead"), "tr");
  for (const HtmlColumn& column : columns_) {
    Element cell = trainyard::add(head, "th", column.title, column.number ? "number" : column.css_class);
    set(cell, "scope", "col");
  }
  body_ = trainyard::add(table, "tbody");
}

Element HtmlTable::add(const std::vector<HtmlCell>& cells, const char* css_class) {
  Element row = trainyard::add(body_, "tr", {}, css_class);
  for (std::size_t c = 0; c < cells.size() && c < columns_.size(); ++c) add_cell(row, columns_[c], cells[c], c == 0);
  return row;
}

void HtmlTable::add_cell(Element row, const HtmlColumn& column, const HtmlCell& cell, bool names_row) {
  Element element = trainyard::add(row, names_row ? "th" : "td");
  if (names_row) set(element, "scope", "row");
  std::string css_class = column.number ? "number" : "";
  if (column.css_class != nullptr) css_class += (css_class.empty() ? "" : " ") + std::string(column.css_class);
  if (!css_class.empty()) set(element, "class", css_class);
  if (!cell.sort.empty()) set(element, "data-sort", cell.sort);
  if (cell.code)
    trainyard::add(element, "code", cell.text);
  else if (!cell.text.empty())
    add_text(element, cell.text);
  if (!cell.copy.empty()) add_copy_button(element, "Copy", cell.copied.empty() ? cell.text : cell.copied, cell.copy);
}

FactList::FactList(Element parent) : list_(trainyard::add(parent, "dl", {}, "facts")) {}

void FactList::add(std::string_view term, std::string_view fact) {
  trainyard::add(list_, "dt", term);
  trainyard::add(list_, "dd", fact);
}

void add_copy_button(Element parent, std::string_view label, std::string_view what, std::string_view text) {
  Element button = add(parent, "button", label, "scripted");
  set(button, "type", "button");
  set(button, "aria-label", std::string(label) + " " + std::string(what));
  button.append_attribute("data-copy").set_value(clean_lines(text).c_str());
}

}  // namespace trainyard
