// Setting text for a terminal: style, colour, bars, wrapping and aligned tables. Text inside is UTF-8; a column is one
// code point. Whoever prints to a terminal without UTF-8 passes the finished text through finished().
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/units.hpp"

namespace trainyard {

struct TextStyle {
  bool colour = false;
  int width = 100;  // columns; 80 is the least that reports are set for
  bool unicode = true;
  friend bool operator==(const TextStyle&, const TextStyle&) = default;
};

enum class Ink { plain, strong, faint, good, bad, accent };
std::string painted(std::string_view text, Ink ink, const TextStyle& style);

std::size_t columns(std::string_view utf8);  // escape sequences count nothing

// A bar of `fraction` (0 … 1) of `cells` columns, in eighths of a cell.
std::string bar(double fraction, int cells);

// Lines of at most `width` columns, broken at spaces; `indent` (not counted) in front of all but the first.
std::string wrapped(std::string_view text, int width, std::string_view indent);

// The text as the style allows: without UTF-8 every character of the reports has an ASCII stand-in.
std::string finished(std::string text, const TextStyle& style);

// One unit for a whole report, so that a column of times can be compared by eye.
class TimeScale {
 public:
  explicit TimeScale(Seconds largest);
  static TimeScale at_most_milliseconds(Seconds largest);  // where small times stand beside large ones
  std::string number(Seconds t) const;                     // "3.012"
  std::string with_unit(Seconds t) const;                  // "3.012 s"
  std::string_view unit() const { return unit_; }

 private:
  double scale_ = 1.0;
  int digits_ = 3;
  std::string_view unit_;
};
std::string percent(double fraction);         // "73.1 %"
std::string signed_percent(double fraction);  // "−2.6 %", "+4.4 %"

enum class Align { left, right };
struct TableColumn {
  std::string title;
  Align align = Align::right;
  bool optional = false;     // left out, last one first, when the table is wider than the style
  std::size_t shortest = 0;  // > 0: before that, its texts are cut down to this
};

// Rows of cells under titles, two spaces apart and indented by two. A row's mark stands in the indent.
class TextTable {
 public:
  explicit TextTable(std::vector<TableColumn> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells, Ink ink = Ink::plain, std::string mark = " ");
  std::string text(const TextStyle& style) const;  // every line ends with '\n'

 private:
  struct Row {
    std::vector<std::string> cells;
    Ink ink;
    std::string mark;
  };
  struct Layout {
    std::vector<std::size_t> widths;  // of every column
    std::vector<std::size_t> shown;   // indices
  };
  Layout layout(std::size_t available) const;
  std::string line(const Layout& layout, const std::vector<std::string>& cells) const;
  std::vector<TableColumn> columns_;
  std::vector<Row> rows_;
};

}  // namespace trainyard
