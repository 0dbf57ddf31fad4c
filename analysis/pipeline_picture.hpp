// What every stage does when, coarse enough to draw: the pipeline of a step for a terminal, an SVG or a chart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/simulate.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {

enum class BarKind : std::uint8_t { forward, backward, weight, optimizer, communication, idle };
std::string_view name(BarKind kind);  // "forward" … "waiting for communication", "bubble"

// A stretch of a stage's time. `communication`: the compute stream waits for a transfer that is under way; `idle`: for
// another stage (the bubble) or the end of the step.
struct PipelineBar {
  Seconds start{}, end{};
  BarKind kind = BarKind::idle;
  std::int32_t micro_batch = -1;  // -1: none
  std::int16_t chunk = 0;
  friend bool operator==(const PipelineBar&, const PipelineBar&) = default;
};
struct PipelineRow {
  int stage = 0;
  int ranks = 1;
  std::vector<PipelineBar> bars;  // ascending, touching, from 0 to the makespan
};
struct PipelinePicture {
  Seconds end{};  // makespan
  bool chunks = false;
  std::vector<PipelineRow> rows;  // by stage
};

// At any granularity: neighbours of one (pass, micro-batch, chunk) are one bar.
PipelinePicture pipeline_picture(const SimulatedStep& step);

// At most `bars` bars in all: short neighbours of a stage become one of the kind that fills most of it (for a picture
// whose pixels could not show them).
PipelinePicture coarsened(const PipelinePicture& picture, std::size_t bars);

// One line per stage, `style.width` columns, with a legend and the share of bubble per stage at the end of its line.
std::string pipeline_text(const PipelinePicture& picture, const TextStyle& style);

}  // namespace trainyard
