// Do the predictions order the plans of one job as the measurements do, and what does trusting them cost?
#pragma once

#include <optional>
#include <vector>

#include "analysis/validation/score.hpp"

namespace trainyard {

// Nothing if no job has at least three different predicted and measured plans.
std::optional<RankingScore> ranking_of(const std::vector<const ValidatedRun*>& rows);

}  // namespace trainyard
