#include "analysis/memory_timeline.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace trainyard {
namespace {

using Owners = std::array<Bytes, memory_owners>;

struct Event {
  Seconds time{};
  std::int32_t instruction = 0;
  bool end = false;
};

std::vector<Event> events_of(const RankKind& kind, const std::vector<Span>& spans) {
  std::vector<Event> events;
  for (std::size_t i = 0; i < kind.instructions.size(); ++i) {
    if (kind.instructions[i].memory < 0) continue;
    events.push_back({spans[i].start, static_cast<std::int32_t>(i), false});
    events.push_back({spans[i].end, static_cast<std::int32_t>(i), true});
  }
  // What ended is freed before what follows it starts: instructions are listed in an order that respects that.
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    if (a.time != b.time) return a.time < b.time;
    return a.instruction != b.instruction ? a.instruction < b.instruction : a.end < b.end;
  });
  return events;
}

Bytes sum(const Owners& owners) {
  Bytes total{};
  for (Bytes b : owners) total += b;
  return total;
}

StageMemoryCurve curve_of(const StepProgram& program, const RankKind& kind, const std::vector<Span>& spans,
                          Bytes workspace) {
  StageMemoryCurve curve;
  curve.stage = kind.stage.value;
  Owners held = kind.resident;
  held[static_cast<std::size_t>(MemoryOwner::temporary)] += workspace;
  curve.points.push_back({Seconds(0), held});
  for (const Event& event : events_of(kind, spans)) {
    const Instruction& i = kind.instructions[static_cast<std::size_t>(event.instruction)];
    for (const MemoryChange& c : program.memory_changes[static_cast<std::size_t>(i.memory)])
      held[static_cast<std::size_t>(c.owner)] += event.end ? c.at_end : c.at_start;
    MemoryPoint point{event.time, held};
    MemoryPoint& last = curve.points.back();
    // A moment keeps the most that it held and what it left behind.
    if (last.time == event.time && (sum(held) >= sum(last.held) || curve.points.size() == 1))
      last = point;
    else if (last.held != held)
      curve.points.push_back(point);
  }
  const auto most = std::max_element(curve.points.begin(), curve.points.end(),
                                     [](const MemoryPoint& a, const MemoryPoint& b) { return a.total() < b.total(); });
  curve.peak = static_cast<std::size_t>(most - curve.points.begin());
  return curve;
}

// The most that is held in each of `cells` equal parts of the step.
std::vector<Bytes> binned(const StageMemoryCurve& curve, Seconds end, int cells) {
  std::vector<Bytes> most(static_cast<std::size_t>(cells));
  for (std::size_t i = 0; i < curve.points.size(); ++i) {
    const Seconds until = i + 1 < curve.points.size() ? curve.points[i + 1].time : end;
    const auto cell = [&](Seconds t) {
      return std::clamp(static_cast<int>(t.value / end.value * cells), 0, cells - 1);
    };
    for (int c = cell(curve.points[i].time); c <= cell(until); ++c)
      most[static_cast<std::size_t>(c)] = std::max(most[static_cast<std::size_t>(c)], curve.points[i].total());
  }
  return most;
}

std::string owners_text(const MemoryPoint& point) {
  std::string text;
  for (std::size_t o = 0; o < point.held.size(); ++o)
    if (point.held[o].value > 0)
      text += fmt::format("{}{} {:.2f}", text.empty() ? "" : ", ", name(static_cast<MemoryOwner>(o)),
                          in_gib(point.held[o]));
  return text;
}

}  // namespace

Bytes MemoryPoint::total() const { return sum(held); }

StageMemoryCurve memory_curve(const StepProgram& program, const Timeline& timeline, std::size_t list,
                              const Profile& profile) {
  return curve_of(program, program.kinds[kind_of_list(timeline, list)], timeline.spans[list],
                  profile.device.blas_workspace);
}

std::vector<StageMemoryCurve> memory_curves(const StepProgram& program, const Timeline& timeline,
                                            const Profile& profile) {
  std::vector<StageMemoryCurve> curves;
  for (std::size_t k = 0; k < program.kinds.size(); ++k)
    curves.push_back(memory_curve(program, timeline, list_of_kind(timeline, k), profile));
  return curves;
}

std::string memory_curves_text(const std::vector<StageMemoryCurve>& curves, Seconds end, Bytes limit,
                               const TextStyle& style) {
  constexpr int label = 22, narrowest = 20;
  static constexpr std::array levels = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr std::array plain_levels = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
  const int cells = std::max(narrowest, style.width - label);
  std::string text;
  for (const StageMemoryCurve& curve : curves) {
    std::string line;
    for (Bytes b : binned(curve, end, cells)) {
      const double full = limit.value > 0 ? b / limit : 0.0;
      const auto level = static_cast<std::size_t>(std::clamp(full, 0.0, 1.0) * 8.0 + 0.5);
      const std::string_view block = style.unicode ? levels[level] : plain_levels[level];
      line += full > 1.0 ? painted(block, Ink::bad, style) : std::string(block);
    }
    text += fmt::format("  stage {:>3} {:>7.2f} GiB {}\n", curve.stage, in_gib(curve.at_peak().total()), line);
  }
  const auto fullest = std::max_element(
      curves.begin(), curves.end(),
      [](const StageMemoryCurve& a, const StageMemoryCurve& b) { return a.at_peak().total() < b.at_peak().total(); });
  if (fullest == curves.end()) return text;
  text += fmt::format("  {}\n", painted(fmt::format("stage {} peaks {} into the step: {} GiB", fullest->stage,
                                                    to_text(fullest->at_peak().time), owners_text(fullest->at_peak())),
                                        Ink::faint, style));
  return text;
}

}  // namespace trainyard
