// How much the choice of placement alone is worth.
#pragma once

#include <optional>

#include "analysis/sweep/answer.hpp"
#include "analysis/sweep/evaluate.hpp"

namespace trainyard {

// "tp-cp-ep-dp-pp packed"
std::string words_of(const PlacementVariant& variant);

// Over the variants of the structure that `index` belongs to; nothing if none fits.
std::optional<PlacementWorth> placement_worth(const PlanSpace& space, Evaluator& evaluator, PlanIndex index);

}  // namespace trainyard
