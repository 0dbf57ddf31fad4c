// What every stage does when, coarse enough to draw: the pipeline of a step for a terminal, an SVG or a chart.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/simulate.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {

// `fused`: a backward that runs as one with the forward of another micro-batch.
enum class BarKind : std::uint8_t { forward, backward, weight, fused, optimizer, communication, idle };
inline constexpr std::size_t bar_kinds = 7;
std::string_view name(BarKind kind);  // "forward" … "waiting for communication", "bubble"

// A stretch of a stage's time. `communication`: the compute stream waits for a transfer that is under way; `idle`: for
// another stage (the bubble), its host or the end of the step.
struct PipelineBar {
  Seconds start{}, end{};
  BarKind kind = BarKind::idle;
  std::int32_t micro_batch = -1;  // -1: none
  std::int16_t chunk = 0;
  std::int32_t forward_micro_batch = -1;  // of a fused bar; -1: none
  Seconds length() const { return end - start; }
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

// The list of the timeline that stands for a kind of rank: the last to end, the first of equals.
std::size_t list_to_show(const Timeline& timeline, std::size_t kind);

// At any granularity: neighbours of one (pass, micro-batch, chunk) are one bar. Of the lists of a stage, the one that
// ends last. What a block waits for inside is part of its bar; at operator granularity it is communication.
PipelinePicture pipeline_picture(const SimulatedStep& step);

// At most `bars` bars in all (one per stage, if `bars` is less), for a picture whose pixels could not show more: short
// neighbours of a stage become one, of a kind that is among them, so that each kind keeps its share of the row to about
// the length of such a bar.
PipelinePicture coarsened(const PipelinePicture& picture, std::size_t bars);

// The time of a row's bars of each kind, by BarKind; they sum to the picture's end.
std::array<Seconds, bar_kinds> time_by_kind(const PipelineRow& row);

// One line per stage, `style.width` columns, with a legend and the share of bubble per stage at the end of its line.
// Of many stages every k-th and the last.
std::string pipeline_text(const PipelinePicture& picture, const TextStyle& style);

}  // namespace trainyard
