// Megatron-LM's two little pattern languages: --pipeline-model-parallel-layout and --moe-layer-freq.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trainyard {

// "Ettt|(tt|)*29,m|L": chunks between bars in model order; E embedding, t a layer, m a multi-token-prediction layer,
// L loss; (…)*n and x*n repeat, commas are decoration. Gives the decoder layers of each chunk. nullopt if the text is
// not of that form, E is not first or L not last, or it unrolls to more than a million characters.
std::optional<std::vector<int>> layers_of_layout(std::string_view layout);

// The layout with these layers per chunk: {1, 2} is "Et|ttL".
std::string layout_of_layers(const std::vector<int>& layers_per_chunk);

// Which layers are mixture-of-experts layers: "3" is every third, beginning with the first; "([0]*3+[1]*58)" lists
// them. nullopt if the text is neither or the list does not have `layers` entries of 0 or 1.
std::optional<std::vector<bool>> sparse_layers(std::string_view frequency, std::size_t layers);

}  // namespace trainyard
