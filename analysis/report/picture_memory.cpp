#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/report/picture_memory_owners.hpp"
#include "analysis/report/picture_step.hpp"
#include "analysis/report/picture_svg.hpp"

namespace trainyard {
namespace {

constexpr std::size_t most_rows = 32;  // that differ; beyond, every k-th, the fullest and the last

bool alike(const StageMemory& a, const StageMemory& b) {
  return a.at_peak == b.at_peak && a.allocated == b.allocated && a.reserved == b.reserved;
}

struct StageRange {
  const StageMemory* stage;
  std::string name;  // "3", "1–14"
};

std::vector<StageRange> ranges_of(const MemoryLedger& ledger) {
  std::vector<StageRange> ranges;
  for (std::size_t first = 0; first < ledger.stages.size();) {
    std::size_t last = first;
    while (last + 1 < ledger.stages.size() && alike(ledger.stages[first], ledger.stages[last + 1])) ++last;
    const int from = ledger.stages[first].stage, to = ledger.stages[last].stage;
    ranges.push_back({&ledger.stages[first], from == to ? fmt::format("{}", from) : fmt::format("{}–{}", from, to)});
    first = last + 1;
  }
  const std::size_t step = (ranges.size() + most_rows - 1) / most_rows;
  if (step <= 1) return ranges;
  std::vector<StageRange> shown;
  for (std::size_t r = 0; r < ranges.size(); ++r)
    if (r % step == 0 || r + 1 == ranges.size() || ranges[r].stage->allocated == ledger.peak())
      shown.push_back(ranges[r]);
  return shown;
}

class MemoryDrawing {
 public:
  MemoryDrawing(const MemoryLedger& ledger, const PictureFrame& frame)
      : ledger_(ledger),
        ranges_(ranges_of(ledger)),
        svg_(frame, "Memory per stage", description()),
        left_(svg_.narrow() ? 40 : 64),
        plot_(svg_.width() - left_ - 70) {
    for (const StageMemory& stage : ledger.stages) full_ = std::max({full_, stage.allocated, stage.reserved});
    full_ = std::max(full_, ledger.limit);
  }

  std::string drawn() {
    double y = svg_.legend(4, 4, legend()) + 18;
    const double top = y;
    for (const StageRange& range : ranges_) {
      draw(range, y);
      y += 30;
    }
    draw_axis(top, y);
    const double at = x(ledger_.limit);
    svg_.line(at, top - 4, at, y, "--c-limit", 2).append_attribute("stroke-dasharray").set_value("6 3");
    svg_.text(at, top - 8, fmt::format("limit {:.1f} GiB", in_gib(ledger_.limit)),
              {.property = "--c-limit", .anchor = at > svg_.width() / 2 ? "end" : "start"});
    return svg_.finished(y + 24);
  }

 private:
  std::string description() const {
    std::string text = fmt::format("Peak memory of a GPU by pipeline stage, of {:.1f} GiB:", in_gib(ledger_.limit));
    for (const StageRange& range : ranges_)
      text += fmt::format(" stage {} {:.1f} GiB;", range.name, in_gib(range.stage->allocated));
    text.back() = '.';
    return text;
  }
  double wide(Bytes b) const { return full_.value > 0 ? plot_ * (b / full_) : 0.0; }
  double x(Bytes b) const { return left_ + wide(b); }

  std::vector<LegendEntry> legend() const {
    std::vector<LegendEntry> entries;
    for (std::size_t owner = 0; owner < memory_owners; ++owner) {
      const bool used = std::any_of(ledger_.stages.begin(), ledger_.stages.end(),
                                    [&](const StageMemory& s) { return s.at_peak[owner].value > 0; });
      const auto o = static_cast<MemoryOwner>(owner);
      if (used) entries.push_back({fill_of(o), std::string(name(o))});
    }
    entries.push_back({{"--c-other", Texture::hollow}, "reserved by the allocator"});
    return entries;
  }

  void draw(const StageRange& range, double y) {
    const StageMemory& stage = *range.stage;
    svg_.text(left_ - 8, y + 16, range.name, {.anchor = "end"});
    Bytes held{};
    for (std::size_t owner = 0; owner < memory_owners; ++owner) {
      const Bytes part = stage.at_peak[owner];
      const auto o = static_cast<MemoryOwner>(owner);
      if (part.value > 0)
        svg_.rect(x(held), y, wide(part), 22, fill_of(o), fmt::format("{} {:.2f} GiB", name(o), in_gib(part)));
      held += part;
    }
    if (stage.reserved > held)
      svg_.rect(x(held), y + 3, wide(stage.reserved - held), 16, {"--c-other", Texture::hollow},
                fmt::format("reserved {:.2f} GiB", in_gib(stage.reserved)))
          .append_attribute("stroke-dasharray")
          .set_value("3 2");
    const bool over = std::max(stage.allocated, stage.reserved) > ledger_.limit;
    svg_.text(svg_.width() - 4, y + 16, fmt::format("{:.1f} GiB", in_gib(stage.allocated)),
              {.property = over ? "--c-limit" : "--fg", .anchor = "end", .strong = over});
  }

  void draw_axis(double top, double bottom) {
    const Ticks ticks = ticks_to(in_gib(full_), svg_.narrow() ? 4 : 8);
    svg_.line(left_, bottom, left_ + plot_, bottom, "--muted");
    svg_.text(left_ - 8, top - 8, svg_.narrow() ? "" : "stage", {.property = "--muted", .anchor = "end"});
    for (std::size_t i = 0; i < ticks.at.size(); ++i) {
      const double at = x(Bytes(ticks.at[i] * bytes_per_gib));
      svg_.line(at, bottom, at, bottom + 4, "--muted");
      svg_.text(at, bottom + 17, ticks.label(i) + (i + 1 == ticks.at.size() ? " GiB" : ""),
                {.property = "--muted", .anchor = "middle"});
    }
  }

  const MemoryLedger& ledger_;
  std::vector<StageRange> ranges_;
  Svg svg_;
  double left_, plot_;
  Bytes full_{};
};

}  // namespace

Fill fill_of(MemoryOwner owner) {
  switch (owner) {
    case MemoryOwner::weights:
      return {"--c-forward"};
    case MemoryOwner::gradients:
      return {"--c-backward", Texture::diagonal};
    case MemoryOwner::optimizer_states:
      return {"--c-optimizer"};
    case MemoryOwner::activations:
      return {"--c-weight", Texture::vertical};
    case MemoryOwner::temporary:
      return {"--c-sky", Texture::dots};
    case MemoryOwner::communication:
      return {"--c-communication", Texture::horizontal};
  }
  return {};
}

std::string memory_svg(const MemoryLedger& ledger, const PictureFrame& frame) {
  if (ledger.stages.empty()) return {};
  return MemoryDrawing(ledger, frame).drawn();
}

}  // namespace trainyard
