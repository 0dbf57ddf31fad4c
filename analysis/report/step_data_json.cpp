#include "analysis/report/step_data_json.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/memory_timeline.hpp"
#include "analysis/pipeline_picture.hpp"
#include "analysis/report/chart_number.hpp"
#include "analysis/report/picture_svg.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t most_bars = 20000;  // some 30 bytes each
// Bars per row of the coarser levels: what a chart can show of a whole step, and of a quarter of it.
constexpr std::array<std::size_t, 2> coarse_levels = {350, 1400};
constexpr std::size_t most_moments = 1500;  // of a stage's memory; more than a chart has pixels
constexpr std::size_t most_curves = 64;

Json bars_of(const PipelinePicture& picture, const TimeUnit& unit) {
  Json bars = Json::array();
  for (std::size_t r = 0; r < picture.rows.size(); ++r)
    for (const PipelineBar& b : picture.rows[r].bars)
      bars.push_back({r, rounded(b.start.value / unit.seconds), rounded(b.length().value / unit.seconds),
                      static_cast<int>(b.kind), b.micro_batch, b.chunk, b.forward_micro_batch});
  return bars;
}

std::size_t bars_in(const PipelinePicture& picture) {
  std::size_t bars = 0;
  for (const PipelineRow& row : picture.rows) bars += row.bars.size();
  return bars;
}

Json timeline_object(const SimulatedStep& step) {
  const PipelinePicture picture = coarsened(pipeline_picture(step), most_bars);
  const TimeUnit unit = unit_for(picture.end);
  Json kinds = Json::array(), rows = Json::array(), levels = Json::array();
  for (std::size_t k = 0; k < bar_kinds; ++k) kinds.push_back(name(static_cast<BarKind>(k)));
  for (const PipelineRow& row : picture.rows) rows.push_back(row.stage);
  for (const std::size_t per_row : coarse_levels)
    if (per_row * picture.rows.size() < bars_in(picture))
      levels.push_back(bars_of(coarsened(picture, per_row * picture.rows.size()), unit));
  levels.push_back(bars_of(picture, unit));
  return {{"unit", unit.name},
          {"end", picture.end.value / unit.seconds},
          {"chunks", picture.chunks},
          {"kinds", kinds},
          {"rows", rows},
          {"levels", levels}};
}

// At most `most_moments` points: of every stretch the fullest, so that no peak is lost.
std::vector<MemoryPoint> thinned(const std::vector<MemoryPoint>& points) {
  if (points.size() <= most_moments) return points;
  std::vector<MemoryPoint> kept;
  for (std::size_t k = 0; k < most_moments; ++k) {
    const auto first = points.begin() + static_cast<std::ptrdiff_t>(k * points.size() / most_moments);
    const auto last = points.begin() + static_cast<std::ptrdiff_t>((k + 1) * points.size() / most_moments);
    kept.push_back(*std::max_element(first, last,
                                     [](const MemoryPoint& a, const MemoryPoint& b) { return a.total() < b.total(); }));
  }
  return kept;
}

Json curve_object(const StageMemoryCurve& curve, const TimeUnit& unit, Seconds end) {
  Json times = Json::array(), held = Json::array();
  const auto push = [&](Seconds time, const MemoryPoint& point) {
    constexpr double hundredths = 100;
    Json owners = Json::array();
    for (const Bytes b : point.held) owners.push_back(std::round(in_gib(b) * hundredths) / hundredths);
    times.push_back(rounded(time.value / unit.seconds));
    held.push_back(std::move(owners));
  };
  const std::vector<MemoryPoint> points = thinned(curve.points);
  for (const MemoryPoint& p : points) push(p.time, p);
  if (!points.empty() && points.back().time < end) push(end, points.back());
  return {{"stage", curve.stage}, {"times", std::move(times)}, {"held", std::move(held)}};
}

Json memory_object(const Job& job, const SimulatedStep& step) {
  const Seconds end = step.timeline.makespan;
  const TimeUnit unit = unit_for(end);
  Json owners = Json::array(), stages = Json::array();
  for (int o = 0; o < memory_owners; ++o) owners.push_back(name(static_cast<MemoryOwner>(o)));
  const std::vector<StageMemoryCurve> curves = memory_curves(step.program, step.timeline, job.profile);
  for (const StageMemoryCurve& curve : curves)
    if (stages.size() < most_curves && !curve.points.empty()) stages.push_back(curve_object(curve, unit, end));
  if (stages.empty()) return nullptr;
  return {{"unit", unit.name},
          {"end", end.value / unit.seconds},
          {"limit", in_gib(step.result.memory.limit)},
          {"owners", owners},
          {"stages", stages}};
}

}  // namespace

std::string step_chart_data(const Job& job, const SimulatedStep& step) {
  const Json data = {{"timeline", timeline_object(step)}, {"memory", memory_object(job, step)}};
  return data.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace trainyard
