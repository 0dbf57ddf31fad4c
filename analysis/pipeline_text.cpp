#include <fmt/format.h>

#include <algorithm>

#include "analysis/pipeline_picture.hpp"

namespace trainyard {
namespace {

constexpr int most_rows = 16;  // of a picture that fits on a screen beside the rest of a report
constexpr int narrowest = 20;  // columns of the drawing
constexpr int margin = 19;     // for "  stage  │" before it and "│  12.3 %" behind it

// Forward fills the upper half of its line, backward the lower, both at once the whole: seen without colour, too.
struct Glyph {
  std::string_view unicode, ascii;
  Ink ink;
};
Glyph glyph(BarKind kind) {
  switch (kind) {
    case BarKind::forward:
      return {"▀", "F", Ink::accent};
    case BarKind::backward:
      return {"▄", "B", Ink::good};
    case BarKind::weight:
      return {"▁", "W", Ink::plain};
    case BarKind::fused:
      return {"█", "X", Ink::plain};
    case BarKind::optimizer:
      return {"▒", "o", Ink::plain};
    case BarKind::communication:
      return {"░", "~", Ink::bad};
    case BarKind::idle:
      return {" ", ".", Ink::faint};
  }
  return {"?", "?", Ink::plain};
}
std::string_view symbol(BarKind kind, const TextStyle& style) {
  return style.unicode ? glyph(kind).unicode : glyph(kind).ascii;
}

// One row as columns: each gets one of the bars in it, of the kind that earlier columns owe most, so that kinds fill as
// much of a row as of its time even where a column is longer than a bar.
class Columns {
 public:
  Columns(const PipelineRow& row, Seconds end, int cells) : row_(row), column_((1.0 / cells) * end) {
    for (int c = 0; c < cells; ++c) shown_.push_back(next(c));
  }
  const std::vector<PipelineBar>& shown() const { return shown_; }

 private:
  PipelineBar next(int column) {
    const Seconds from = static_cast<double>(column) * column_;
    const Seconds to = from + column_;
    while (first_ + 1 < row_.bars.size() && row_.bars[first_].end <= from) ++first_;
    std::array<Seconds, bar_kinds> longest{};
    std::array<const PipelineBar*, bar_kinds> bar_of{};
    for (std::size_t b = first_; b < row_.bars.size() && row_.bars[b].start < to; ++b) {
      const auto kind = static_cast<std::size_t>(row_.bars[b].kind);
      const Seconds inside = std::min(row_.bars[b].end, to) - std::max(row_.bars[b].start, from);
      owed_[kind] += inside;
      if (bar_of[kind] == nullptr || inside > longest[kind]) longest[kind] = inside, bar_of[kind] = &row_.bars[b];
    }
    std::size_t best = static_cast<std::size_t>(row_.bars[first_].kind);
    for (std::size_t k = 0; k < bar_kinds; ++k)
      if (bar_of[k] != nullptr && owed_[k] > owed_[best]) best = k;
    owed_[best] -= column_;
    return bar_of[best] != nullptr ? *bar_of[best] : row_.bars[first_];
  }

  const PipelineRow& row_;
  Seconds column_;
  std::size_t first_ = 0;
  std::array<Seconds, bar_kinds> owed_{};
  std::vector<PipelineBar> shown_;
};

// A bar of `width` columns, its micro-batch in the middle if there is room around it.
std::string drawn(const PipelineBar& bar, int width, const TextStyle& style) {
  std::string number;
  if (bar.micro_batch >= 0) number = fmt::format("{}", bar.micro_batch);
  const int room = width - static_cast<int>(number.size());
  if (room < 2) number.clear();
  const int before = number.empty() ? width : room / 2;
  const int behind = number.empty() ? 0 : room - before;
  std::string text;
  for (int i = 0; i < before; ++i) text += symbol(bar.kind, style);
  text += number;
  for (int i = 0; i < behind; ++i) text += symbol(bar.kind, style);
  return painted(text, glyph(bar.kind).ink, style);
}

std::string drawn(const PipelineRow& row, Seconds end, int cells, const TextStyle& style) {
  std::string text;
  if (row.bars.empty()) return std::string(static_cast<std::size_t>(cells), ' ');
  const Columns drawing(row, end, cells);
  const std::vector<PipelineBar>& columns = drawing.shown();
  for (std::size_t first = 0; first < columns.size();) {
    std::size_t last = first;
    while (last + 1 < columns.size() && columns[last + 1] == columns[first]) ++last;
    text += drawn(columns[first], static_cast<int>(last - first + 1), style);
    first = last + 1;
  }
  return text;
}

// All rows, or every k-th and the last.
std::vector<const PipelineRow*> rows_to_show(const PipelinePicture& picture) {
  std::vector<const PipelineRow*> rows;
  const std::size_t step = (picture.rows.size() + most_rows - 1) / most_rows;
  for (std::size_t r = 0; r < picture.rows.size(); r += std::max<std::size_t>(step, 1))
    rows.push_back(&picture.rows[r]);
  if (!picture.rows.empty() && rows.back() != &picture.rows.back()) rows.push_back(&picture.rows.back());
  return rows;
}

// What is drawn, in the order of the kinds.
std::string legend(const PipelinePicture& picture, std::size_t shown, const TextStyle& style) {
  std::array<Seconds, bar_kinds> all{};
  for (const PipelineRow& row : picture.rows) {
    const auto time = time_by_kind(row);
    for (std::size_t k = 0; k < bar_kinds; ++k) all[k] += time[k];
  }
  std::string text;
  for (std::size_t k = 0; k < bar_kinds; ++k) {
    const auto kind = static_cast<BarKind>(k);
    if (all[k].value <= 0) continue;
    const bool blank = symbol(kind, style) == " ";
    text += fmt::format("{}{} {}", text.empty() ? "" : " · ", blank ? "blank:" : symbol(kind, style), name(kind));
  }
  if (shown < picture.rows.size()) text += fmt::format(" · {} of {} stages", shown, picture.rows.size());
  return wrapped(text, style.width - 2, "  ");
}

}  // namespace

std::string pipeline_text(const PipelinePicture& picture, const TextStyle& style) {
  if (picture.rows.empty() || picture.end.value <= 0) return {};
  const int cells = std::max(narrowest, style.width - margin);
  const std::string_view edge = style.unicode ? "│" : "|";
  const std::vector<const PipelineRow*> rows = rows_to_show(picture);
  std::string text = painted(fmt::format("  stage  {}{:>{}}  bubble\n", style.unicode ? "╷0" : "|0",
                                         to_text(picture.end) + (style.unicode ? "╷" : "|"), cells),
                             Ink::faint, style);
  for (const PipelineRow* row : rows) {
    const Seconds idle = time_by_kind(*row)[static_cast<std::size_t>(BarKind::idle)];
    text += fmt::format("  {:>5}  {}{}{} {:>7}\n", row->stage, edge, drawn(*row, picture.end, cells, style), edge,
                        percent(idle / picture.end));
  }
  return text + fmt::format("  {}\n", painted(legend(picture, rows.size(), style), Ink::faint, style));
}

}  // namespace trainyard
