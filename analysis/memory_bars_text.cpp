#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/memory_text.hpp"

namespace trainyard {
namespace {

constexpr std::size_t most_rows = 16;  // that differ; beyond, every k-th, the fullest and the last
constexpr int narrowest = 20;          // columns of a bar
constexpr int margin = 20;             // for "  stage  │" before it and "   123.4" behind it

// By MemoryOwner, in the words of the ledger's table; then what is reserved beyond.
constexpr std::array<std::string_view, memory_owners + 1> unicode_fills = {"█", "▓", "▒", "░", "▞", "▚", "╌"};
constexpr std::array<std::string_view, memory_owners + 1> ascii_fills = {"W", "G", "O", "a", "t", "c", "."};
constexpr std::array<std::string_view, memory_owners + 1> words = {"weights", "grads", "optim",   "activ",
                                                                   "temp",    "comm",  "reserved"};

bool alike(const StageMemory& a, const StageMemory& b) {
  return a.at_peak == b.at_peak && a.allocated == b.allocated && a.reserved == b.reserved;
}

struct StageRange {
  const StageMemory* stage;
  int last;
  bool fullest;
};
std::vector<StageRange> ranges_of(const MemoryLedger& ledger) {
  std::vector<StageRange> ranges;
  for (std::size_t first = 0; first < ledger.stages.size();) {
    std::size_t last = first;
    while (last + 1 < ledger.stages.size() && alike(ledger.stages[first], ledger.stages[last + 1])) ++last;
    ranges.push_back(
        {&ledger.stages[first], ledger.stages[last].stage, ledger.stages[first].allocated == ledger.peak()});
    first = last + 1;
  }
  return ranges;
}

class Bars {
 public:
  Bars(const MemoryLedger& ledger, const TextStyle& style)
      : limit_(ledger.limit),
        style_(style),
        fills_(style.unicode ? unicode_fills : ascii_fills),
        cells_(std::max(narrowest, style.width - margin)) {
    for (const StageMemory& stage : ledger.stages) full_ = std::max({full_, stage.allocated, stage.reserved});
    full_ = std::max(full_, ledger.limit);
  }

  std::string line(const StageMemory& stage, int last) const {
    const std::string stages = stage.stage == last ? fmt::format("{}", last) : fmt::format("{}–{}", stage.stage, last);
    const std::string_view edge = style_.unicode ? "│" : "|";
    const bool over = std::max(stage.allocated, stage.reserved) > limit_;
    return fmt::format("  {:>5}  {}{}  {:>6.1f}\n", stages, edge,
                       painted(cells(stage), over ? Ink::bad : Ink::plain, style_), in_gib(stage.allocated));
  }

  std::string legend() const {
    std::string text;
    for (std::size_t f = 0; f < fills_.size(); ++f)
      if (used_[f]) text += fmt::format("{} {} · ", fills_[f], words[f]);
    text += fmt::format("{} limit {:.1f} GiB", limit_mark(), in_gib(limit_));
    return wrapped(text, style_.width - 2, "  ");
  }

 private:
  std::string_view limit_mark() const { return style_.unicode ? "┃" : "!"; }  // ASCII legends have | between words
  int cell(Bytes b) const {
    return full_.value > 0 ? static_cast<int>(std::lround(std::clamp(b / full_, 0.0, 1.0) * cells_)) : 0;
  }

  // Each owner from where the last ends to its own end, the reserve behind them, the limit where it is.
  std::string cells(const StageMemory& stage) const {
    std::vector<std::string_view> row(static_cast<std::size_t>(cells_) + 1, " ");
    const auto fill = [&](int from, Bytes to, std::size_t what) {
      for (int c = from; c < cell(to); ++c) {
        row[static_cast<std::size_t>(c)] = fills_[what];
        used_[what] = true;
      }
    };
    Bytes held{};
    for (std::size_t owner = 0; owner < memory_owners; ++owner) {
      const int from = cell(held);
      held += stage.at_peak[owner];
      fill(from, held, owner);
    }
    fill(cell(held), stage.reserved, memory_owners);
    row[static_cast<std::size_t>(cell(limit_))] = limit_mark();
    std::string text;
    for (const std::string_view glyph : row) text += glyph;
    return text;
  }

  Bytes limit_, full_{};
  TextStyle style_;
  std::array<std::string_view, memory_owners + 1> fills_;
  int cells_;
  mutable std::array<bool, memory_owners + 1> used_{};
};

}  // namespace

std::string memory_bars(const MemoryLedger& ledger, const TextStyle& style) {
  const Bars bars(ledger, style);
  const std::vector<StageRange> all = ranges_of(ledger);
  const std::size_t step = std::max<std::size_t>(1, (all.size() + most_rows - 1) / most_rows);
  std::string text;
  for (std::size_t r = 0; r < all.size(); ++r)
    if (r % step == 0 || r + 1 == all.size() || all[r].fullest) text += bars.line(*all[r].stage, all[r].last);
  return text.empty() ? text : text + fmt::format("  {}\n", painted(bars.legend(), Ink::faint, style));
}

}  // namespace trainyard
