// Static pictures of one step as SVG elements: a viewBox, no style attribute, no script, a title and a description,
// every text escaped. They need nothing of the page but, where it wants other colours, the custom properties of
// picture_frame.hpp. Equal inputs, equal bytes; an empty string where there is nothing to draw.
#pragma once

#include <string>
#include <vector>

#include "analysis/link_load.hpp"
#include "analysis/memory_timeline.hpp"
#include "analysis/pipeline_picture.hpp"
#include "analysis/report/picture_frame.hpp"
#include "analysis/report/picture_heat_map.hpp"
#include "analysis/step_result.hpp"
#include "topology/cluster.hpp"

namespace trainyard {

// Stage x time. Coarsens to what the width can show. More than 64 stages: every k-th and the last.
std::string pipeline_svg(const PipelinePicture& picture, const PictureFrame& frame);

// The average GPU's step as one stacked bar, hidden communication as a thin bar below, each part named with its share.
std::string breakdown_svg(const StepResult& result, const PictureFrame& frame);
// Per axis: communication time that compute hides, and that it waits for.
std::string overlap_svg(const StepResult& result, const PictureFrame& frame);

// Peak per stage by owner, the allocator's reserve and the limit.
std::string memory_svg(const MemoryLedger& ledger, const PictureFrame& frame);
// Over the step, stacked by owner: one small picture per curve; of more than six, those of the first, the fullest, the
// last and some between.
std::string memory_curves_svg(const std::vector<StageMemoryCurve>& curves, Seconds end, Bytes limit,
                              const PictureFrame& frame);

// Rows: the step's communication lines; columns: link classes; a cell says how busy the busiest such link is with it
// and how many bytes cross it in one direction.
HeatMap link_heat_map(const StepResult& result, const std::vector<LoadedLink>& loads);

// Nodes with GPUs, NVLink, NICs and the fabric; lines are as wide as their link is busy; nodes that are loaded alike
// (to a percent) are drawn once.
std::string topology_load_svg(const Cluster& cluster, const std::vector<LoadedLink>& loads, const PictureFrame& frame);

}  // namespace trainyard
