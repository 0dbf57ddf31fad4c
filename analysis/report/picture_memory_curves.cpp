#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "analysis/report/picture_memory_owners.hpp"
#include "analysis/report/picture_step.hpp"
#include "analysis/report/picture_svg.hpp"

namespace trainyard {
namespace {

constexpr std::size_t most_curves = 6;
constexpr double plot_height = 110, cell_height = 168, gutter = 34;
constexpr double unit_per_bin = 3;

// The first, the fullest, the last, and some evenly between.
std::vector<const StageMemoryCurve*> chosen(const std::vector<StageMemoryCurve>& curves) {
  std::vector<bool> take(curves.size(), curves.size() <= most_curves);
  const auto fullest = std::max_element(curves.begin(), curves.end(), [](const auto& a, const auto& b) {
    return a.at_peak().total() < b.at_peak().total();
  });
  if (curves.size() > most_curves) {
    take[static_cast<std::size_t>(fullest - curves.begin())] = true;
    for (std::size_t i = 0; i + 1 < most_curves; ++i) take[i * (curves.size() - 1) / (most_curves - 2)] = true;
  }
  std::vector<const StageMemoryCurve*> result;
  for (std::size_t c = 0; c < curves.size(); ++c)
    if (take[c]) result.push_back(&curves[c]);
  return result;
}

// In each of `bins` equal parts of the step the moment that holds most.
std::vector<const MemoryPoint*> fullest_moments(const StageMemoryCurve& curve, Seconds end, std::size_t bins) {
  std::vector<const MemoryPoint*> moments(bins, nullptr);
  const auto bin = [&](Seconds t) {
    return static_cast<std::size_t>(
        std::clamp(t / end * static_cast<double>(bins), 0.0, static_cast<double>(bins - 1)));
  };
  for (std::size_t p = 0; p < curve.points.size(); ++p) {
    const Seconds until = p + 1 < curve.points.size() ? curve.points[p + 1].time : end;
    for (std::size_t b = bin(curve.points[p].time); b <= bin(until); ++b)
      if (moments[b] == nullptr || curve.points[p].total() > moments[b]->total()) moments[b] = &curve.points[p];
  }
  for (const MemoryPoint*& moment : moments)
    if (moment == nullptr) moment = &curve.points.front();
  return moments;
}

std::size_t columns_for(double width, std::size_t curves) {
  if (width < 600 || curves == 1) return 1;
  return width < 900 || curves == 2 || curves == 4 ? 2 : 3;
}

class CurvesDrawing {
 public:
  CurvesDrawing(const std::vector<StageMemoryCurve>& curves, Seconds end, Bytes limit, const PictureFrame& frame)
      : curves_(chosen(curves)),
        all_(curves.size()),
        end_(end),
        limit_(limit),
        full_(limit),
        svg_(frame, "Memory over the step", description()),
        columns_(columns_for(svg_.width(), curves_.size())),
        cell_(svg_.width() / static_cast<double>(columns_)) {
    for (const StageMemoryCurve* curve : curves_) full_ = std::max(full_, curve->at_peak().total());
  }

  std::string drawn() {
    double y = svg_.legend(4, 4, legend()) + 6;
    if (curves_.size() < all_) {
      svg_.text(4, y + 10, fmt::format("{} of {} stages", curves_.size(), all_), {.property = "--muted"});
      y += 18;
    }
    for (std::size_t c = 0; c < curves_.size(); ++c)
      draw(*curves_[c], cell_ * static_cast<double>(c % columns_), y + cell_height * static_cast<double>(c / columns_));
    return svg_.finished(y + cell_height * static_cast<double>((curves_.size() + columns_ - 1) / columns_));
  }

 private:
  std::string description() const {
    std::string text = fmt::format("Memory held over a step of {}, stacked by owner. Peaks:", to_text(end_));
    for (const StageMemoryCurve* curve : curves_)
      text += fmt::format(" stage {} {:.1f} GiB;", curve->stage, in_gib(curve->at_peak().total()));
    text.back() = '.';
    return text;
  }
  std::vector<LegendEntry> legend() const {
    std::vector<LegendEntry> entries;
    for (std::size_t owner = 0; owner < memory_owners; ++owner) {
      const bool used = std::any_of(curves_.begin(), curves_.end(), [&](const StageMemoryCurve* c) {
        return std::any_of(c->points.begin(), c->points.end(),
                           [&](const MemoryPoint& p) { return p.held[owner].value > 0; });
      });
      const auto o = static_cast<MemoryOwner>(owner);
      if (used) entries.push_back({fill_of(o), std::string(name(o))});
    }
    return entries;
  }

  double height(Bytes b) const { return full_.value > 0 ? plot_height * std::max(0.0, b / full_) : 0.0; }

  void draw(const StageMemoryCurve& curve, double left, double top) {
    const double plot = cell_ - gutter - 14, x0 = left + gutter, bottom = top + 22 + plot_height;
    const auto bins = static_cast<std::size_t>(std::max(plot / unit_per_bin, 1.0));
    const std::vector<const MemoryPoint*> moments = fullest_moments(curve, end_, bins);
    svg_.text(x0, top + 14, fmt::format("stage {} · peak {:.1f} GiB", curve.stage, in_gib(curve.at_peak().total())),
              {.strong = true});
    for (std::size_t owner = 0; owner < memory_owners; ++owner) {
      const std::string d = layer(moments, owner, x0, bottom, plot / static_cast<double>(bins));
      if (!d.empty()) svg_.path(d, fill_of(static_cast<MemoryOwner>(owner)));
    }
    draw_axes(x0, bottom, plot);
    draw_peak(x0 + plot * (curve.at_peak().time / end_), bottom - height(curve.at_peak().total()));
    const double at = bottom - height(limit_);
    svg_.line(x0, at, x0 + plot, at, "--c-limit", 1.5).append_attribute("stroke-dasharray").set_value("6 3");
  }

  // The area of one owner between what the owners before it hold and that with its own; empty if it holds nothing.
  std::string layer(const std::vector<const MemoryPoint*>& moments, std::size_t owner, double x0, double bottom,
                    double step) const {
    std::string upper, lower;
    bool any = false;
    std::pair<std::string, std::string> last;  // low, high
    for (std::size_t b = 0; b <= moments.size(); ++b) {
      Bytes below{};
      const MemoryPoint& moment = *moments[std::min(b, moments.size() - 1)];
      for (std::size_t o = 0; o < owner; ++o) below += moment.held[o];
      const Bytes own = moment.held[owner];
      any = any || own.value > 0;
      const std::pair level(px(bottom - height(below)), px(bottom - height(below + own)));
      if (level == last && b < moments.size()) continue;
      const std::string at = px(x0 + step * static_cast<double>(b));
      upper += b == 0 ? fmt::format("M{} {}", at, level.second) : fmt::format("H{}V{}", at, level.second);
      lower.insert(0, b == 0 ? fmt::format("H{}", at) : fmt::format("H{}V{}", at, last.first));
      last = level;
    }
    // Back along the lower edge: the last level is that at the right end.
    return any ? upper + fmt::format("V{}", last.first) + lower + "z" : std::string();
  }

  // A triangle that stands on the peak.
  void draw_peak(double x, double y) { svg_.path(fmt::format("M{} {}l-4 -7h8z", px(x), px(y - 1)), {"--fg"}); }

  void draw_axes(double x0, double bottom, double plot) {
    svg_.line(x0, bottom, x0 + plot, bottom, "--muted");
    const Ticks gib = ticks_to(in_gib(full_), 4);
    for (std::size_t i = 0; i < gib.at.size(); ++i) {
      const double y = bottom - height(Bytes(gib.at[i] * bytes_per_gib));
      svg_.line(x0 - 4, y, x0, y, "--muted");
      svg_.text(x0 - 6, y + 4, gib.label(i), {.size = 11, .property = "--muted", .anchor = "end"});
    }
    const TimeUnit unit = unit_for(end_);
    const Ticks time = ticks_to(end_.value / unit.seconds, 4);
    for (std::size_t i = 0; i < time.at.size(); ++i) {
      const double x = x0 + plot * (time.at[i] * unit.seconds / end_.value);
      svg_.line(x, bottom, x, bottom + 4, "--muted");
      const bool last = i + 1 == time.at.size();
      svg_.text(x, bottom + 16, last ? fmt::format("{} {}", time.label(i), unit.name) : time.label(i),
                {.size = 11, .property = "--muted", .anchor = last ? "end" : "middle"});
    }
  }

  std::vector<const StageMemoryCurve*> curves_;
  std::size_t all_;
  Seconds end_;
  Bytes limit_, full_;
  Svg svg_;
  std::size_t columns_;
  double cell_;
};

}  // namespace

std::string memory_curves_svg(const std::vector<StageMemoryCurve>& curves, Seconds end, Bytes limit,
                              const PictureFrame& frame) {
  if (curves.empty() || !(end.value > 0)) return {};
  for (const StageMemoryCurve& curve : curves)
    if (curve.points.empty()) return {};
  return CurvesDrawing(curves, end, limit, frame).drawn();
}

}  // namespace trainyard
