#include "analysis/report/picture_sweep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "analysis/report/picture_svg.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {
namespace {

constexpr std::size_t most_named = 12;

bool drawable(const ScatterPlan& p) {
  return std::isfinite(p.step_time.value) && std::isfinite(p.memory.value) && p.step_time.value > 0 &&
         p.memory.value >= 0;
}

class ParetoDrawing {
 public:
  ParetoDrawing(std::vector<ScatterPlan> plans, Bytes limit, const PictureFrame& frame)
      : plans_(std::move(plans)),
        limit_(limit),
        most_memory_(limit),
        svg_(frame, "Memory against step time", description()) {
    choose_range();
    for (const ScatterPlan& p : plans_)
      if (p.front) front_.push_back(&p);
    std::sort(front_.begin(), front_.end(), [](const ScatterPlan* a, const ScatterPlan* b) {
      return a->memory != b->memory ? a->memory < b->memory : a->step_time < b->step_time;
    });
    plot_ = svg_.width() - left_ - 14;
    tall_ = svg_.narrow() ? 240 : 340;
  }

  std::string drawn() {
    top_ = svg_.legend(4, 4, legend()) + 20;
    draw_axes();
    for (const ScatterPlan& p : plans_)
      if (!p.front) dot(p);
    draw_front();
    const double y = draw_names(top_ + tall_ + 52);
    return svg_.finished(y);
  }

 private:
  // Plans far from the best would squeeze the front into a corner: they are counted, not drawn.
  void choose_range() {
    constexpr double margin = 1.04;  // of the axes beyond the last point
    constexpr double far = 4;        // times the fastest
    fastest_ = plans_.front().step_time;
    for (const ScatterPlan& p : plans_) fastest_ = std::min(fastest_, p.step_time);
    for (const ScatterPlan& p : plans_)
      if (p.front || p.step_time <= far * fastest_) slowest_ = std::max(slowest_, p.step_time);
    const std::size_t all = plans_.size();
    std::erase_if(plans_, [&](const ScatterPlan& p) { return p.step_time > slowest_; });
    left_out_ = all - plans_.size();
    for (const ScatterPlan& p : plans_) most_memory_ = std::max(most_memory_, p.memory);
    shown_slowest_ = slowest_;
    slowest_ *= margin;
    most_memory_ *= margin;
    fastest_ *= 2 - margin;
  }
  std::string description() const {
    std::size_t front = 0;
    for (const ScatterPlan& p : plans_) front += p.front ? 1 : 0;
    std::string text = fmt::format("{} plans by memory and step time; {} on the Pareto front", plans_.size(), front);
    for (const ScatterPlan& p : plans_)
      if (p.front) text += fmt::format("; {}: {}, {:.1f} GiB", p.name, to_text(p.step_time), in_gib(p.memory));
    return text + ".";
  }
  static std::vector<LegendEntry> legend() {
    return {
        {{"--c-limit"}, "Pareto front"}, {{"--c-forward"}, "fits"}, {{"--c-other", Texture::hollow}, "does not fit"}};
  }
  double x(Bytes b) const { return most_memory_.value > 0 ? left_ + plot_ * (b / most_memory_) : left_; }
  double y(Seconds t) const { return top_ + tall_ * (1 - (t - fastest_) / (slowest_ - fastest_)); }

  void dot(const ScatterPlan& p) {
    const std::string tooltip = fmt::format("{}: {}, {:.1f} GiB", p.name, to_text(p.step_time), in_gib(p.memory));
    const pugi::xml_node node = svg_.circle(x(p.memory), y(p.step_time), 3,
                                            p.fits ? Fill{"--c-forward"} : Fill{"--c-other", Texture::hollow}, tooltip);
    pugi::xml_node(node).append_attribute("fill-opacity").set_value("0.55");
  }

  void draw_axes() {
    const double bottom = top_ + tall_;
    const TimeUnit unit = unit_for(slowest_);
    const int parts = static_cast<int>(std::ceil(6 * (slowest_ / (slowest_ - fastest_))));
    const Ticks times = ticks_to(slowest_.value / unit.seconds, parts);
    svg_.text(4, top_ - 8, fmt::format("step time, {}", unit.name), {.property = "--muted"});
    for (std::size_t i = 0; i < times.at.size(); ++i) {
      const double at = y(Seconds(times.at[i] * unit.seconds));
      if (at > bottom) continue;
      svg_.line(left_, at, left_ + plot_, at, "--grid", 0.5);
      svg_.text(left_ - 6, at + 4, times.label(i), {.property = "--muted", .anchor = "end"});
    }
    const Ticks gib = ticks_to(in_gib(most_memory_), svg_.narrow() ? 4 : 8);
    for (std::size_t i = 0; i < gib.at.size(); ++i) {
      const double at = x(Bytes(gib.at[i] * bytes_per_gib));
      svg_.line(at, bottom, at, bottom + 4, "--muted");
      svg_.text(at, bottom + 17, gib.label(i), {.property = "--muted", .anchor = "middle"});
    }
    svg_.line(left_, bottom, left_ + plot_, bottom, "--muted");
    svg_.text(left_ + plot_, bottom + 34, "peak memory of a GPU, GiB", {.property = "--muted", .anchor = "end"});
    if (limit_.value <= 0) return;
    svg_.line(x(limit_), top_, x(limit_), bottom, "--c-limit", 1.5)
        .append_attribute("stroke-dasharray")
        .set_value("6 3");
    svg_.text(x(limit_) - 6, top_ + 12, fmt::format("limit {:.1f}", in_gib(limit_)),
              {.property = "--c-limit", .anchor = "end"});
  }

  // From plan to plan: more memory buys nothing until the next one has it.
  void draw_front() {
    std::string d;
    for (const ScatterPlan* p : front_)
      d += d.empty() ? fmt::format("M{} {}", px(x(p->memory)), px(y(p->step_time)))
                     : fmt::format("H{}V{}", px(x(p->memory)), px(y(p->step_time)));
    if (!d.empty()) svg_.path(d, {"--c-limit", Texture::hollow}).append_attribute("stroke-width").set_value("1.5");
    double last = -20;
    for (std::size_t i = 0; i < front_.size(); ++i) {
      const ScatterPlan& p = *front_[i];
      const double cx = x(p.memory), cy = y(p.step_time);
      const std::string tooltip = fmt::format("{}: {}, {:.1f} GiB", p.name, to_text(p.step_time), in_gib(p.memory));
      svg_.circle(cx, cy, 5, {"--c-limit"}, tooltip);
      if (i < most_named && cx - last > 12) {
        svg_.text(cx, cy - 9, fmt::format("{}", i + 1), {.anchor = "middle", .strong = true});
        last = cx;
      }
    }
  }

  double draw_names(double y) {
    const double room = svg_.width() - 8;
    for (std::size_t i = 0; i < std::min(front_.size(), most_named); ++i, y += 18) {
      const ScatterPlan& p = *front_[i];
      svg_.text(4, y,
                fitted(fmt::format("{}  {} · {:.1f} GiB · {}", i + 1, to_text(p.step_time), in_gib(p.memory), p.name),
                       room, 12));
    }
    if (front_.size() > most_named) {
      svg_.text(4, y, fmt::format("and {} more on the front", front_.size() - most_named), {.property = "--muted"});
      y += 18;
    }
    if (left_out_ > 0) {
      svg_.text(4, y, fmt::format("not drawn: plans slower than {} ({})", to_text(shown_slowest_), left_out_),
                {.property = "--muted"});
      y += 18;
    }
    return y;
  }

  std::vector<ScatterPlan> plans_;
  std::vector<const ScatterPlan*> front_;
  Bytes limit_, most_memory_;
  Seconds shown_slowest_{}, slowest_{}, fastest_{};
  std::size_t left_out_ = 0;
  Svg svg_;
  double left_ = 46, plot_ = 0, tall_ = 0, top_ = 0;
};

std::optional<double> number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Ascending if all are numbers, else as they come.
std::vector<std::string> values_of(const std::vector<AxesPoint>& points, std::string AxesPoint::*setting) {
  std::vector<std::string> values;
  for (const AxesPoint& p : points)
    if (std::find(values.begin(), values.end(), p.*setting) == values.end()) values.push_back(p.*setting);
  if (std::all_of(values.begin(), values.end(), [](const std::string& v) { return number(v).has_value(); }))
    std::stable_sort(values.begin(), values.end(),
                     [](const std::string& a, const std::string& b) { return *number(a) < *number(b); });
  return values;
}

}  // namespace

std::string pareto_svg(const std::vector<ScatterPlan>& plans, Bytes limit, const PictureFrame& frame) {
  std::vector<ScatterPlan> shown;
  std::copy_if(plans.begin(), plans.end(), std::back_inserter(shown), drawable);
  if (shown.empty()) return {};
  return ParetoDrawing(std::move(shown), limit, frame).drawn();
}

HeatMap axes_heat_map(const std::string& row_setting, const std::string& column_setting,
                      const std::vector<AxesPoint>& points) {
  std::vector<AxesPoint> known;
  for (const AxesPoint& p : points)
    if (std::isfinite(p.step_time.value) && p.step_time.value > 0) known.push_back(p);
  HeatMap map{.title = fmt::format("Best step time by {} and {}", row_setting, column_setting),
              .row_title = row_setting,
              .column_title = column_setting,
              .rows = values_of(known, &AxesPoint::row),
              .columns = values_of(known, &AxesPoint::column),
              .cells = {},
              .low = "slowest",
              .high = "fastest"};
  std::map<std::pair<std::string, std::string>, Seconds> best;
  for (const AxesPoint& p : known) {
    const auto [at, added] = best.try_emplace({p.row, p.column}, p.step_time);
    if (!added) at->second = std::min(at->second, p.step_time);
  }
  if (best.empty()) return map;
  Seconds fastest = best.begin()->second, slowest = fastest;
  for (const auto& [pair, t] : best) fastest = std::min(fastest, t), slowest = std::max(slowest, t);
  for (const std::string& row : map.rows)
    for (const std::string& column : map.columns) {
      const auto found = best.find({row, column});
      if (found == best.end()) {
        map.cells.emplace_back();
        continue;
      }
      const Seconds t = found->second;
      const double shade = slowest > fastest ? (slowest - t) / (slowest - fastest) : 1.0;
      map.cells.push_back({false, shade, to_text(t), t == fastest ? "best" : signed_percent(t / fastest - 1)});
    }
  return map;
}

}  // namespace trainyard
