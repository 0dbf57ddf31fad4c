#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/plan_words.hpp"
#include "analysis/report/picture_step.hpp"
#include "analysis/report/picture_svg.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {
namespace {

constexpr std::array axes = {Axis::tp, Axis::cp, Axis::ep, Axis::pp, Axis::dp};

Fill fill_of(Axis axis) {
  switch (axis) {
    case Axis::tp:
      return {"--c-communication"};
    case Axis::cp:
      return {"--c-sky", Texture::vertical};
    case Axis::ep:
      return {"--c-yellow", Texture::diagonal};
    case Axis::pp:
      return {"--c-limit", Texture::horizontal};
    case Axis::dp:
      return {"--c-weight", Texture::back_diagonal};
  }
  return {};
}
// What GPUs wait for between stages are transfers; waiting for the stage itself is the bubble.
std::string_view words(Axis axis) { return axis == Axis::pp ? "pipeline transfers" : title(axis); }

struct Part {
  std::string name;
  Seconds time{};
  Fill fill;
};

Seconds exposed(const Breakdown& b, Axis axis) {
  switch (axis) {
    case Axis::tp:
      return b.exposed_tp;
    case Axis::cp:
      return b.exposed_cp;
    case Axis::ep:
      return b.exposed_ep;
    case Axis::pp:
      return b.exposed_pp;
    case Axis::dp:
      return b.exposed_dp;
  }
  return {};
}

std::vector<Part> parts_of(const StepResult& result) {
  const Breakdown& b = result.breakdown;
  const ComputeSplit& c = result.compute;
  std::vector<Part> parts = {{"GEMM", c.gemm, {"--c-forward"}},
                             {"attention", c.attention, {"--c-forward", Texture::diagonal}},
                             {"memory-bound kernels", c.memory_bound, {"--c-forward", Texture::dots}},
                             {"slowed by overlap", c.contention, {"--c-forward", Texture::horizontal}}};
  Seconds rest = b.compute;
  for (const Part& part : parts) rest -= part.time;
  parts.push_back({"other compute", rest, {"--c-forward", Texture::vertical}});
  for (const Axis axis : axes)
    parts.push_back({fmt::format("exposed {}", words(axis)), exposed(b, axis), fill_of(axis)});
  parts.push_back({"pipeline bubble", b.bubble, {"--c-idle", Texture::diagonal}});
  parts.push_back({"optimizer", b.optimizer, {"--c-optimizer"}});
  parts.push_back({"host and other", b.other, {"--c-other"}});
  const double least = 0.0005 * result.step_time.value;  // of the text report: 0.05 %
  std::erase_if(parts, [&](const Part& part) { return !(part.time.value >= least); });
  return parts;
}

// Communication of the average rank by axis.
struct Overlap {
  Axis axis = Axis::tp;
  Seconds hidden{}, exposed{};
  Seconds busy() const { return hidden + exposed; }
};
std::vector<Overlap> overlaps_of(const StepResult& result) {
  std::vector<Overlap> overlaps;
  for (const Axis axis : axes) {
    Overlap overlap{axis, {}, exposed(result.breakdown, axis)};
    for (const CommunicationLine& line : result.communication)
      if (line.axis == axis) overlap.hidden += std::max(Seconds(0), line.busy - line.exposed);
    if (overlap.busy().value > 0) overlaps.push_back(overlap);
  }
  return overlaps;
}

class BreakdownDrawing {
 public:
  BreakdownDrawing(const StepResult& result, const PictureFrame& frame)
      : result_(result), parts_(parts_of(result)), svg_(frame, "Where the step goes", description()) {
    for (const Overlap& overlap : overlaps_of(result))
      hidden_.push_back({fmt::format("hidden {}", words(overlap.axis)), overlap.hidden, fill_of(overlap.axis)});
    const double least = 0.0005 * result.step_time.value;
    std::erase_if(hidden_, [&](const Part& part) { return !(part.time.value >= least); });
    longest_ = std::max(result.step_time, sum(hidden_));
  }

  std::string drawn() {
    double y = draw_bar(parts_, 20, 40, "step of the average GPU");
    if (!hidden_.empty()) y = draw_bar(hidden_, y + 26, 12, "hidden under it: communication beside compute");
    y = draw_key(parts_, y + 24);
    if (!hidden_.empty()) y = draw_key(hidden_, y + 8);
    return svg_.finished(y + 4);
  }

 private:
  static Seconds sum(const std::vector<Part>& parts) {
    Seconds total{};
    for (const Part& part : parts) total += part.time;
    return total;
  }
  std::string description() const {
    std::string text = fmt::format("A step of {} of the average GPU:", to_text(result_.step_time));
    for (const Part& part : parts_) text += fmt::format(" {} {},", part.name, percent(part.time / result_.step_time));
    text.back() = '.';
    return text;
  }
  double wide(Seconds t) const { return (svg_.width() - 2) * (t / longest_); }

  double draw_bar(const std::vector<Part>& parts, double y, double height, std::string_view caption) {
    svg_.text(1, y - 6, caption, {.property = "--muted"});
    Seconds at{};
    for (const Part& part : parts) {
      const std::string tooltip = fmt::format("{}: {}", part.name, to_text(part.time));
      svg_.rect(1 + wide(at), y, wide(part.time), height, part.fill, tooltip);
      if (at.value > 0) svg_.line(1 + wide(at), y, 1 + wide(at), y + height, "--bg", 1);
      at += part.time;
    }
    return y + height;
  }

  // Swatch, name, time and share, in as many columns as fit.
  double draw_key(const std::vector<Part>& parts, double y) {
    constexpr double least_column = 330;
    const auto count = static_cast<std::size_t>(std::clamp(svg_.width() / least_column, 1.0, 3.0));
    const double column = svg_.width() / static_cast<double>(count);
    const std::size_t lines = (parts.size() + count - 1) / count;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const double left = static_cast<double>(i / lines) * column;
      const double line = y + 20 * static_cast<double>(i % lines);
      svg_.rect(left + 1, line, 12, 12, parts[i].fill);
      svg_.text(left + 20, line + 10.5, fitted(parts[i].name, column - 20 - 150, 12));
      svg_.text(left + column - 84, line + 10.5, to_text(parts[i].time), {.anchor = "end"});
      svg_.text(left + column - 24, line + 10.5, percent(parts[i].time / result_.step_time),
                {.property = "--muted", .anchor = "end"});
    }
    return y + 20 * static_cast<double>(lines);
  }

  const StepResult& result_;
  std::vector<Part> parts_, hidden_;
  Svg svg_;
  Seconds longest_{};
};

}  // namespace

std::string breakdown_svg(const StepResult& result, const PictureFrame& frame) {
  if (!(result.step_time.value > 0)) return {};
  return BreakdownDrawing(result, frame).drawn();
}

std::string overlap_svg(const StepResult& result, const PictureFrame& frame) {
  const std::vector<Overlap> overlaps = overlaps_of(result);
  if (overlaps.empty()) return {};
  Seconds longest{};
  std::string description = "Communication of the average GPU by axis:";
  for (const Overlap& o : overlaps) {
    longest = std::max(longest, o.busy());
    description += fmt::format(" {} {} of {} exposed;", words(o.axis), to_text(o.exposed), to_text(o.busy()));
  }
  description.back() = '.';
  Svg svg(frame, "Hidden and exposed communication", description);
  const double left = svg.narrow() ? 4 : 140;
  const double plot = svg.width() - left - 4;
  double y =
      svg.legend(4, 4, {{{"--c-sky"}, "hidden under compute"}, {{"--c-limit", Texture::diagonal}, "exposed"}}) + 8;
  for (const Overlap& o : overlaps) {
    const double hidden = plot * (o.hidden / longest), waited = plot * (o.exposed / longest);
    if (svg.narrow()) {
      svg.text(left, y + 10, words(o.axis));
      y += 16;
    } else {
      svg.text(left - 10, y + 15, words(o.axis), {.anchor = "end"});
    }
    svg.rect(left, y, hidden, 20, {"--c-sky"}, fmt::format("hidden {}", to_text(o.hidden)));
    svg.rect(left + hidden, y, waited, 20, {"--c-limit", Texture::diagonal},
             fmt::format("exposed {}", to_text(o.exposed)));
    svg.text(
        left, y + 35,
        fmt::format("{} busy, {} exposed ({})", to_text(o.busy()), to_text(o.exposed), percent(o.exposed / o.busy())),
        {.property = "--muted"});
    y += 50;
  }
  return svg.finished(y);
}

}  // namespace trainyard
