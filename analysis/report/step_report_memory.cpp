#include <fmt/format.h>

#include <algorithm>

#include "analysis/memory_text.hpp"
#include "analysis/memory_timeline.hpp"
#include "analysis/report/picture_step.hpp"
#include "analysis/report/report_cells.hpp"
#include "analysis/report/step_report_sections.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {
namespace {

std::string parameters_text(std::int64_t count) {
  const auto n = static_cast<double>(count);
  return n >= 1e9 ? fmt::format("{:.2f} B", n / 1e9) : fmt::format("{:.1f} M", n / 1e6);
}

void add_ledger_table(Element parent, const MemoryLedger& ledger) {
  std::vector<HtmlColumn> columns = {{"stage"}, {"layers", true}, {"parameters", true}};
  for (int o = 0; o < memory_owners; ++o) columns.push_back({std::string(name(static_cast<MemoryOwner>(o))), true});
  for (const char* title : {"allocated", "reserved", "device"}) columns.push_back({title, true});
  std::vector<std::vector<HtmlCell>> rows;
  for (const StageMemory& stage : ledger.stages) {
    std::vector<HtmlCell> cells = {
        {fmt::format("{}", stage.stage)}, {fmt::format("{}", stage.layers)}, {parameters_text(stage.parameters)}};
    for (const Bytes held : stage.at_peak) cells.push_back(gib_cell(held, 2));
    for (const Bytes total : {stage.allocated, stage.reserved, stage.device_used}) cells.push_back(gib_cell(total, 2));
    rows.push_back(std::move(cells));
  }
  HtmlTable table(parent, "One GPU of each stage at its peak, GiB; parameters are those of one GPU", std::move(columns),
                  "dense");
  for (const std::vector<HtmlCell>& cells : folded(std::move(rows))) table.add(cells);
}

std::string peak_words(const MemoryLedger& ledger) {
  const auto fullest =
      std::max_element(ledger.stages.begin(), ledger.stages.end(),
                       [](const StageMemory& a, const StageMemory& b) { return a.allocated < b.allocated; });
  if (fullest == ledger.stages.end() || fullest->peak_at.empty()) return "";
  return fmt::format(" Stage {} peaks in the {}.", fullest->stage, fullest->peak_at);
}

}  // namespace

void add_memory_section(Element main, const Job& job, const SimulatedStep& step) {
  const MemoryLedger& ledger = step.result.memory;
  Element s = section(main, "memory", "Memory");
  add(s, "p",
      fmt::format("The plan {}.{}{}", memory_verdict(ledger), peak_words(ledger),
                  ledger.pressure ? " It fits so tightly that the allocator will have to retry." : ""));
  figure(s, {memory_svg(ledger, {"memory-wide", wide_picture}), memory_svg(ledger, {"memory", narrow_picture})},
         "Each stage at its peak, by owner, against what a framework can allocate of one GPU.");
  add_ledger_table(s, ledger);
  const std::vector<StageMemoryCurve> curves = memory_curves(step.program, step.timeline, job.profile);
  const Seconds end = step.timeline.makespan;
  const DrawnPicture picture = {memory_curves_svg(curves, end, ledger.limit, {"curves-wide", wide_picture}),
                                memory_curves_svg(curves, end, ledger.limit, {"curves", narrow_picture})};
  if (picture.empty()) return;
  add(s, "h3", "Over the step");
  figure(s, picture, "Allocated memory of one GPU of a stage, stacked by owner.", "memory");
}

}  // namespace trainyard
