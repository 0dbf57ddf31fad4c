#include <fmt/format.h>

#include <algorithm>

#include "analysis/report/picture_step.hpp"
#include "analysis/report/picture_svg.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {
namespace {

constexpr std::size_t most_rows = 64;
constexpr std::size_t most_bars = 6000;  // of a picture: some 30 bytes each
constexpr double thinnest = 1.5;         // units that a bar is worth drawing with
constexpr double separated = 6;          // units from which equal neighbours get a line between them

Fill fill_of(BarKind kind) {
  switch (kind) {
    case BarKind::forward:
    case BarKind::fused:
      return {"--c-forward"};
    case BarKind::backward:
      return {"--c-backward"};
    case BarKind::weight:
      return {"--c-weight", Texture::vertical};
    case BarKind::optimizer:
      return {"--c-optimizer"};
    case BarKind::communication:
      return {"--c-communication", Texture::dots};
    case BarKind::idle:
      return {"--c-idle", Texture::diagonal};
  }
  return {};
}

PipelinePicture rows_to_show(const PipelinePicture& picture) {
  PipelinePicture shown = picture;
  const std::size_t step = (picture.rows.size() + most_rows - 1) / most_rows;
  if (step <= 1) return shown;
  shown.rows.clear();
  for (std::size_t r = 0; r < picture.rows.size(); ++r)
    if (r % step == 0 || r + 1 == picture.rows.size()) shown.rows.push_back(picture.rows[r]);
  return shown;
}

double row_height_for(std::size_t rows) { return rows <= 8 ? 28 : rows <= 16 ? 20 : rows <= 32 ? 14 : 9; }

class PipelineDrawing {
 public:
  PipelineDrawing(const PipelinePicture& picture, const PictureFrame& frame)
      : all_(picture.rows.size()),
        picture_(rows_to_show(picture)),
        svg_(frame, "Pipeline timeline", description()),
        left_(svg_.narrow() ? 30 : 64),
        plot_(svg_.width() - left_ - (svg_.narrow() ? 46 : 64)),
        row_(row_height_for(picture_.rows.size())) {
    for (const PipelineRow& row : picture_.rows) bubbles_.push_back(bubble(row));  // of all bars, not of those drawn
    const auto fits = static_cast<std::size_t>(plot_ / thinnest) * picture_.rows.size();
    picture_ = coarsened(picture_, std::min(fits, most_bars));
  }

  std::string drawn() {
    double y = svg_.legend(4, 4, legend()) + 12;
    svg_.text(left_ - 8, y - 4, svg_.narrow() ? "" : "stage", {.property = "--muted", .anchor = "end"});
    svg_.text(svg_.width() - 4, y - 4, "bubble", {.property = "--muted", .anchor = "end"});
    const double top = y;
    for (std::size_t r = 0; r < picture_.rows.size(); ++r, y += row_ + 4) {
      draw(picture_.rows[r], y);
      label(picture_.rows[r], bubbles_[r], y + row_ / 2);
    }
    draw_axis(top, y);
    return svg_.finished(y + 40);
  }

 private:
  std::string description() const {
    std::string text = fmt::format("What each of {} pipeline stages does in a step of {}; bubble per stage:", all_,
                                   to_text(picture_.end));
    for (const PipelineRow& row : picture_.rows) text += fmt::format(" {}: {}", row.stage, percent(bubble(row)));
    return text;
  }
  double bubble(const PipelineRow& row) const {
    return time_by_kind(row)[static_cast<std::size_t>(BarKind::idle)] / picture_.end;
  }
  double x(Seconds t) const { return left_ + plot_ * (t / picture_.end); }

  std::vector<LegendEntry> legend() const {
    std::array<bool, bar_kinds> used{};
    for (const PipelineRow& row : picture_.rows)
      for (const PipelineBar& bar : row.bars) used[static_cast<std::size_t>(bar.kind)] = true;
    std::vector<LegendEntry> entries;
    for (std::size_t k = 0; k < bar_kinds; ++k) {
      const auto kind = static_cast<BarKind>(k);
      if (!used[k]) continue;
      entries.push_back({fill_of(kind), std::string(name(kind))});
      if (kind == BarKind::fused) entries.back().lower = fill_of(BarKind::backward);
    }
    return entries;
  }

  void draw(const PipelineRow& row, double y) {
    std::array<std::string, bar_kinds> paths;
    std::string lower_halves, separators;
    for (std::size_t b = 0; b < row.bars.size(); ++b) {
      const PipelineBar& bar = row.bars[b];
      const bool fused = bar.kind == BarKind::fused;
      paths[static_cast<std::size_t>(bar.kind)] += box(bar, y, fused ? row_ / 2 : row_);
      if (fused) lower_halves += box(bar, y + row_ / 2, row_ / 2);
      if (b > 0 && row.bars[b - 1].kind == bar.kind && wide(bar) > separated)
        separators += fmt::format("M{} {}v{}", px(x(bar.start)), px(y), px(row_));
    }
    for (std::size_t k = 0; k < bar_kinds; ++k)
      if (!paths[k].empty()) svg_.path(paths[k], fill_of(static_cast<BarKind>(k)));
    if (!lower_halves.empty()) svg_.path(lower_halves, fill_of(BarKind::backward));
    if (!separators.empty()) svg_.path(separators, {"--bg", Texture::hollow});
    draw_numbers(row, y);
  }
  void label(const PipelineRow& row, double share, double middle) {
    const TextLook look{.size = std::min(12.0, row_), .anchor = "end"};
    svg_.text(left_ - 8, middle + look.size * 0.35, fmt::format("{}", row.stage), look);
    svg_.text(svg_.width() - 4, middle + look.size * 0.35, percent(share), look);
  }
  double wide(const PipelineBar& bar) const { return plot_ * (bar.length() / picture_.end); }
  std::string box(const PipelineBar& bar, double y, double height) const {
    return fmt::format("M{} {}h{}v{}h-{}z", px(x(bar.start)), px(y), px(wide(bar)), px(height), px(wide(bar)));
  }
  // One number over all bars of a micro-batch's pass, which waiting may cut into several.
  void draw_numbers(const PipelineRow& row, double y) {
    if (row_ < 14) return;
    for (std::size_t first = 0; first < row.bars.size();) {
      PipelineBar whole = row.bars[first];
      std::size_t next = first + 1;
      for (std::size_t b = next; b < row.bars.size() && (continues(whole, row.bars[b]) || waits(row.bars[b])); ++b)
        if (continues(whole, row.bars[b])) whole.end = row.bars[b].end, next = b + 1;
      draw_number(whole, y);
      first = next;
    }
  }
  static bool waits(const PipelineBar& bar) { return bar.kind == BarKind::communication; }
  static bool continues(const PipelineBar& a, const PipelineBar& b) {
    return a.kind == b.kind && a.micro_batch == b.micro_batch && a.chunk == b.chunk;
  }
  // The ground's colour on the blue of forwards, dark on the rest.
  void draw_number(const PipelineBar& bar, double y) {
    if (bar.micro_batch < 0 || bar.kind == BarKind::fused) return;
    constexpr double size = 11;
    std::string label = fmt::format("{}", bar.micro_batch);
    const std::string with_chunk = picture_.chunks ? fmt::format("{}.{}", bar.micro_batch, bar.chunk) : label;
    if (text_width(with_chunk, size) + 4 <= wide(bar)) label = with_chunk;
    if (text_width(label, size) + 4 > wide(bar)) return;
    const std::string_view colour = bar.kind == BarKind::forward ? "--bg" : "--on-light";
    svg_.text(x(bar.start) + wide(bar) / 2, y + row_ / 2 + 4, label,
              {.size = size, .property = colour, .anchor = "middle"});
  }

  void draw_axis(double top, double bottom) {
    const TimeUnit unit = unit_for(picture_.end);
    const Ticks ticks = ticks_to(picture_.end.value / unit.seconds, svg_.narrow() ? 4 : 10);
    svg_.line(left_, bottom, left_ + plot_, bottom, "--muted");
    for (std::size_t i = 0; i < ticks.at.size(); ++i) {
      const double at = x(Seconds(ticks.at[i] * unit.seconds));
      svg_.line(at, bottom, at, bottom + 5, "--muted");
      svg_.line(at, top, at, bottom, "--grid", 0.5);
      const bool last = i + 1 == ticks.at.size();
      svg_.text(at, bottom + 18, last ? ticks.label(i) + " " + std::string(unit.name) : ticks.label(i),
                {.property = "--muted", .anchor = "middle"});
    }
    std::string note = fmt::format("step {}", to_text(picture_.end));
    if (picture_.rows.size() < all_) note += fmt::format(" · {} of {} stages", picture_.rows.size(), all_);
    svg_.text(left_ + plot_, bottom + 34, note, {.property = "--muted", .anchor = "end"});
  }

  std::size_t all_;
  PipelinePicture picture_;
  Svg svg_;
  double left_, plot_, row_;
  std::vector<double> bubbles_;
};

}  // namespace

std::string pipeline_svg(const PipelinePicture& picture, const PictureFrame& frame) {
  if (picture.rows.empty() || !(picture.end.value > 0)) return {};
  return PipelineDrawing(picture, frame).drawn();
}

}  // namespace trainyard
