// How many layers each model chunk holds when the plan does not say.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/plan/plan.hpp"

namespace trainyard {

// Do `layers` split over `chunks` by themselves: evenly, or as k * chunks - 2, where the embedding counts as a layer of
// the first chunk and the head as one of the last (Megatron's account-for-embedding/loss-in-pipeline-split)?
// False for non-positive arguments.
bool splits_by_itself(std::int64_t layers, std::int64_t chunks);

// Layers per chunk in model order; nullopt where !splits_by_itself. An even split is preferred.
std::optional<std::vector<int>> split_layers(std::int64_t layers, std::int64_t chunks);

// The same with what a plan says about the ends of its pipeline; each rank's layers spread evenly over its virtual
// stages (chunk c of rank r is model chunk c * pipeline + r). Without such wishes it is split_layers. nullopt where the
// rest does not come out even, a count is negative or both kinds of wishes are given.
std::optional<std::vector<int>> split_layers(std::int64_t layers, int pipeline, int virtual_stages,
                                             const PipelineEnds& ends);

}  // namespace trainyard
