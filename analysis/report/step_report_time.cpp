// Where the time of the step goes: stage by stage over time, and of the average GPU in all.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/pipeline_picture.hpp"
#include "analysis/report/picture_step.hpp"
#include "analysis/report/report_cells.hpp"
#include "analysis/report/step_report_sections.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {
namespace {

double share(Seconds part, Seconds whole) { return whole.value > 0 ? part / whole : 0.0; }

using KindTimes = std::array<Seconds, bar_kinds>;

// Those that any stage spends time on.
std::vector<std::size_t> kinds_used(const std::vector<KindTimes>& times) {
  std::vector<std::size_t> used;
  for (std::size_t k = 0; k < bar_kinds; ++k)
    if (std::any_of(times.begin(), times.end(), [k](const KindTimes& t) { return t[k].value > 0; })) used.push_back(k);
  return used;
}

void add_stage_table(Element parent, const SimulatedStep& step, const PipelinePicture& picture) {
  const TimeScale scale(picture.end);
  std::vector<KindTimes> times;
  for (const PipelineRow& row : picture.rows) times.push_back(time_by_kind(row));
  const std::vector<std::size_t> kinds = kinds_used(times);
  std::vector<HtmlColumn> columns = {{"stage"}, {"GPUs", true}, {"layers", true}};
  for (const std::size_t k : kinds) columns.push_back({std::string(name(static_cast<BarKind>(k))), true});
  columns.push_back({"bubble share", true});
  std::vector<std::vector<HtmlCell>> rows;
  for (std::size_t r = 0; r < picture.rows.size(); ++r) {
    const std::vector<StageMemory>& stages = step.result.memory.stages;
    std::vector<HtmlCell> cells = {{fmt::format("{}", picture.rows[r].stage)},
                                   {fmt::format("{}", picture.rows[r].ranks)},
                                   {r < stages.size() ? fmt::format("{}", stages[r].layers) : std::string("–")}};
    for (const std::size_t k : kinds) cells.push_back(time_cell(times[r][k], scale));
    cells.push_back(percent_cell(share(times[r][static_cast<std::size_t>(BarKind::idle)], picture.end)));
    rows.push_back(std::move(cells));
  }
  HtmlTable table(parent, fmt::format("What the stages do, {}", scale.unit()), std::move(columns));
  for (const std::vector<HtmlCell>& cells : folded(std::move(rows))) table.add(cells);
}

struct Part {
  std::string_view what;
  Seconds time{};
  bool detail = false;  // of the row before
};

std::vector<Part> parts_of(const StepResult& r) {
  const Breakdown& b = r.breakdown;
  return {{"compute", b.compute},
          {"GEMM", r.compute.gemm, true},
          {"attention", r.compute.attention, true},
          {"memory-bound kernels", r.compute.memory_bound, true},
          {"slowed by overlapped communication", r.compute.contention, true},
          {"exposed tensor parallel", b.exposed_tp},
          {"exposed context parallel", b.exposed_cp},
          {"exposed expert parallel", b.exposed_ep},
          {"exposed pipeline transfers", b.exposed_pp},
          {"exposed data parallel", b.exposed_dp},
          {"pipeline bubble", b.bubble},
          {"optimizer", b.optimizer},
          {"host and other", b.other}};
}

void add_breakdown_table(Element parent, const StepResult& r) {
  constexpr double visible = 5e-5;  // of the step: what rounds to 0.0 % is left out
  const TimeScale scale(r.step_time);
  HtmlTable table(parent, "The average GPU's step",
                  {{"part"}, {std::string(scale.unit()), true}, {"share of the step", true}});
  for (const Part& part : parts_of(r))
    if (part.what == "compute" || std::fabs(share(part.time, r.step_time)) >= visible)
      table.add({{std::string(part.what)}, time_cell(part.time, scale), percent_cell(share(part.time, r.step_time))},
                part.detail ? "part" : nullptr);
  table.add({{"step"}, time_cell(r.breakdown.total(), scale), percent_cell(share(r.breakdown.total(), r.step_time))},
            "whole");
}

}  // namespace

void add_timeline_section(Element main, const SimulatedStep& step) {
  const PipelinePicture picture = pipeline_picture(step);
  Element s = section(main, "timeline", "Pipeline timeline");
  figure(s,
         {pipeline_svg(picture, {"pipeline-wide", wide_picture}), pipeline_svg(picture, {"pipeline", narrow_picture})},
         "One row per pipeline stage. F and B carry the number of their micro-batch where there is room; the hatched "
         "bubble is time in which a stage waits for another one.",
         "timeline");
  Element details = add(s, "details");
  add(details, "summary", "The timeline in numbers");
  add_stage_table(details, step, picture);
}

void add_breakdown_section(Element main, const StepResult& r) {
  Element s = section(main, "breakdown", "Where the step goes");
  figure(s, {breakdown_svg(r, {"breakdown-wide", wide_picture}), breakdown_svg(r, {"breakdown", narrow_picture})},
         "The average GPU. What communication compute hides is not part of the step's time; it is the thin bar.");
  add_breakdown_table(s, r);
  const DrawnPicture overlap = {overlap_svg(r, {"overlap-wide", wide_picture}),
                                overlap_svg(r, {"overlap", narrow_picture})};
  if (overlap.empty()) return;
  add(s, "h3", "Hidden and exposed communication");
  figure(s, overlap, "Per axis of parallelism: what runs under compute, and what the GPU waits for.");
}

}  // namespace trainyard
