// Elements of a report's page. The tree escapes what it is given, as text and in attributes, so that nothing in a
// user's files can become markup; texts lose their control characters.
#pragma once

#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace trainyard {

using Element = pugi::xml_node;

// A new last child, with its text.
Element add(Element parent, const char* tag, std::string_view text = {});
Element add(Element parent, const char* tag, std::string_view text, const char* css_class);
void set(Element element, const char* attribute, std::string_view value);
// More text after what the element holds.
void add_text(Element element, std::string_view text);

// A section with its heading: what the page's navigation leads to.
Element section(Element parent, const std::string& id, std::string_view title);

// Pictures drawn for a wide and for a narrow page, of which the page shows one. `caption` may be empty.
struct DrawnPicture {
  std::string wide, narrow;  // SVG elements
  bool empty() const { return wide.empty(); }
};
// Nothing for an empty picture. With `chart`, scripts put an interactive one of that name in its place.
Element figure(Element parent, const DrawnPicture& picture, std::string_view caption, const std::string& chart = {});

struct HtmlColumn {
  std::string title;
  bool number = false;      // set right
  const char* css_class{};  // of its cells; null = none. "live-only": shown where scripts run
};
struct HtmlCell {
  std::string text = {};
  std::string sort = {};    // what the column is sorted by, a number; empty = the text
  bool code = false;        // set as code
  std::string copy = {};    // offers this text for copying, in a button beside the text …
  std::string copied = {};  // … which says what it copies, if that is not the text
};

// A table that scrolls by itself where the page is narrower. The first cell of a row names it. Classes: "sortable" by
// its heads where scripts run, "dense" for many columns.
class HtmlTable {
 public:
  HtmlTable(Element parent, std::string_view caption, std::vector<HtmlColumn> columns, std::string_view css_class = {});
  Element add(const std::vector<HtmlCell>& cells, const char* css_class = nullptr);

 private:
  void add_cell(Element row, const HtmlColumn& column, const HtmlCell& cell, bool names_row);
  std::vector<HtmlColumn> columns_;
  Element body_;
};

// A list of terms and what they are.
class FactList {
 public:
  explicit FactList(Element parent);
  void add(std::string_view term, std::string_view fact);

 private:
  Element list_;
};

// A button that copies `text`; without scripts it is not shown.
void add_copy_button(Element parent, std::string_view label, std::string_view what, std::string_view text);

}  // namespace trainyard
