// Megatron-LM's two little pattern languages: --pipeline-model-parallel-layout and --moe-layer-freq.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trainyard {

// Decoder layers and multi-token-prediction modules of each model chunk, in model order.
struct PipelineLayout {
  std::vector<int> layers;
  std::vector<int> predictions;
  // The one chunk with predictions, -1 if that is the last or there are none (as Plan::prediction_chunk); nullopt if
  // several chunks have some.
  std::optional<int> prediction_chunk() const;
  friend bool operator==(const PipelineLayout&, const PipelineLayout&) = default;
};

// "Ettt|(tt|)*29,m|L": chunks between bars in model order; E embedding, t a layer, m a multi-token-prediction module,
// L loss; (…)*n and x*n repeat, commas are decoration. nullopt if the text is not of that form, E is not first or L not
// last, or it unrolls to more than a million characters.
std::optional<PipelineLayout> pipeline_layout(std::string_view layout);

// The text of such a layout: {1, 2} layers are "Et|ttL".
std::string layout_text(const PipelineLayout& layout);

// Which layers are mixture-of-experts layers: "3" is every third, beginning with the first; "([0]*3+[1]*58)" lists
// them. nullopt if the text is neither or the list does not have `layers` entries of 0 or 1.
std::optional<std::vector<bool>> sparse_layers(std::string_view frequency, std::size_t layers);

}  // namespace trainyard
