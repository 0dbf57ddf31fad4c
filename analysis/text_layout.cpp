#include "analysis/text_layout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace trainyard {
namespace {

constexpr std::string_view escape_of(Ink ink) {
  switch (ink) {
    case Ink::plain:
      return "";
    case Ink::strong:
      return "\x1b[1m";
    case Ink::faint:
      return "\x1b[2m";
    case Ink::good:
      return "\x1b[32m";
    case Ink::bad:
      return "\x1b[1;31m";
    case Ink::accent:
      return "\x1b[36m";
  }
  return "";
}

// Stand-ins of one column keep tables aligned; the longer ones only occur in running text.
constexpr std::array<std::pair<std::string_view, std::string_view>, 22> ascii_stand_ins = {{
    {"·", "|"},  {"–", "-"}, {"—", "-"}, {"−", "-"},     {"→", "->"},   {"×", "x"}, {"µ", "u"}, {"≥", ">="},
    {"≤", "<="}, {"▸", ">"}, {"…", "."}, {"█", "#"},     {"▉", "#"},    {"▊", "#"}, {"▋", "#"}, {"▌", "="},
    {"▍", "="},  {"▎", "-"}, {"▏", "-"}, {"α", "alpha"}, {"β", "beta"}, {"’", "'"},
}};

bool continues_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// The first `width` columns, the last of them a dot-dot-dot if something is cut off.
std::string shortened(std::string_view text, std::size_t width) {
  if (columns(text) <= width) return std::string(text);
  std::size_t bytes = 0;
  for (std::size_t column = 0; column + 1 < width; ++column) do
      ++bytes;
    while (bytes < text.size() && continues_code_point(text[bytes]));
  return std::string(text.substr(0, bytes)) + "…";
}

std::string padded(std::string_view text, std::size_t width, Align align) {
  const std::size_t used = columns(text);
  const std::string space(width > used ? width - used : 0, ' ');
  return align == Align::left ? std::string(text) + space : space + std::string(text);
}

}  // namespace

std::string painted(std::string_view text, Ink ink, const TextStyle& style) {
  if (!style.colour || ink == Ink::plain || text.empty()) return std::string(text);
  return fmt::format("{}{}\x1b[0m", escape_of(ink), text);
}

std::size_t columns(std::string_view utf8) {
  std::size_t count = 0;
  bool in_escape = false;
  for (const char c : utf8) {
    if (c == '\x1b') in_escape = true;
    if (!in_escape && !continues_code_point(c)) ++count;
    if (in_escape && c == 'm') in_escape = false;
  }
  return count;
}

std::string bar(double fraction, int cells) {
  static constexpr std::array<std::string_view, 8> eighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const double full = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) * cells : 0.0;
  const auto eighth_count = static_cast<std::size_t>(std::lround(full * 8.0));
  std::string text;
  for (std::size_t i = 0; i < eighth_count / 8; ++i) text += "█";
  return text + std::string(eighths[eighth_count % 8]);
}

std::string wrapped(std::string_view text, int width, std::string_view indent) {
  std::string out;
  std::size_t column = 0;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    if (word.empty()) continue;
    if (column > 0 && column + 1 + columns(word) > static_cast<std::size_t>(std::max(width, 1))) {
      out += fmt::format("\n{}", indent);
      column = 0;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out += word;
    column += columns(word);
  }
  return out;
}

std::string finished(std::string text, const TextStyle& style) {
  if (style.unicode) return text;
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    std::size_t length = 1;
    while (at + length < text.size() && continues_code_point(text[at + length])) ++length;
    const std::string_view character = std::string_view(text).substr(at, length);
    const auto* known = std::find_if(ascii_stand_ins.begin(), ascii_stand_ins.end(),
                                     [&](const auto& pair) { return pair.first == character; });
    if (known != ascii_stand_ins.end())
      out += known->second;
    else
      out += length == 1 ? character : "?";
    at += length;
  }
  return out;
}

TimeScale::TimeScale(Seconds largest) {
  const double v = std::fabs(largest.value);
  if (v >= 1.0) {
    unit_ = "s";
    digits_ = v >= 100.0 ? 2 : 3;
  } else if (v >= 1e-3) {
    unit_ = "ms";
    scale_ = 1e-3;
    digits_ = v >= 0.1 ? 1 : 2;
  } else {
    unit_ = "us";
    scale_ = 1e-6;
    digits_ = 2;
  }
}

TimeScale TimeScale::at_most_milliseconds(Seconds largest) {
  if (std::fabs(largest.value) < 1.0) return TimeScale(largest);
  return TimeScale(Seconds(0.5));
}

std::string TimeScale::number(Seconds t) const { return fmt::format("{:.{}f}", t.value / scale_, digits_); }
std::string TimeScale::with_unit(Seconds t) const { return fmt::format("{} {}", number(t), unit_); }

std::string percent(double fraction) { return fmt::format("{:.1f} %", fraction * 100.0); }

std::string signed_percent(double fraction) {
  const double value = fraction * 100.0;
  if (std::fabs(value) < 0.05) return "0.0 %";
  return fmt::format("{}{:.1f} %", value < 0 ? "−" : "+", std::fabs(value));
}

void TextTable::add(std::vector<std::string> cells, Ink ink, std::string mark) {
  cells.resize(columns_.size());
  rows_.push_back(Row{std::move(cells), ink, std::move(mark)});
}

TextTable::Layout TextTable::layout(std::size_t available) const {
  Layout result;
  std::size_t total = 0;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    std::size_t width = columns(columns_[c].title);
    for (const Row& row : rows_) width = std::max(width, columns(row.cells[c]));
    result.widths.push_back(width);
    result.shown.push_back(c);
    total += width + 2;
  }
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const std::size_t shortest = columns_[c].shortest;
    if (total <= available || shortest == 0 || result.widths[c] <= shortest) continue;
    const std::size_t cut = std::min(total - available, result.widths[c] - shortest);
    result.widths[c] -= cut;
    total -= cut;
  }
  for (std::size_t c = columns_.size(); c-- > 0 && total > available;) {
    if (!columns_[c].optional) continue;
    result.shown.erase(std::find(result.shown.begin(), result.shown.end(), c));
    total -= result.widths[c] + 2;
  }
  return result;
}

std::string TextTable::line(const Layout& layout, const std::vector<std::string>& cells) const {
  std::string text;
  for (const std::size_t c : layout.shown) {
    if (c != layout.shown.front()) text += "  ";
    text += padded(shortened(cells[c], layout.widths[c]), layout.widths[c], columns_[c].align);
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string TextTable::text(const TextStyle& style) const {
  const Layout shape = layout(static_cast<std::size_t>(std::max(style.width, 0)));
  std::vector<std::string> titles;
  for (const TableColumn& column : columns_) titles.push_back(column.title);
  std::string out;
  const bool titled = std::any_of(titles.begin(), titles.end(), [](const std::string& t) { return !t.empty(); });
  if (titled) out += fmt::format("  {}\n", painted(line(shape, titles), Ink::faint, style));
  for (const Row& row : rows_) out += fmt::format("{} {}\n", row.mark, painted(line(shape, row.cells), row.ink, style));
  return out;
}

}  // namespace trainyard
