// How many layers each model chunk holds when the plan does not say.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace trainyard {

// Do `layers` split over `chunks` by themselves: evenly, or as k * chunks - 2, where the embedding counts as a layer of
// the first chunk and the head as one of the last (Megatron's account-for-embedding/loss-in-pipeline-split)?
// False for non-positive arguments.
bool splits_by_itself(std::int64_t layers, std::int64_t chunks);

// Layers per chunk in model order; nullopt where !splits_by_itself. An even split is preferred.
std::optional<std::vector<int>> split_layers(std::int64_t layers, std::int64_t chunks);

}  // namespace trainyard
