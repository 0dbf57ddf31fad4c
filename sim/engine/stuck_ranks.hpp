// Which ranks cannot go on, and what each waits for.
#pragma once

#include <string>
#include <vector>

#include "sim/engine/rank_engine.hpp"
#include "sim/engine/rank_lists.hpp"

namespace trainyard {

// `next`: of every class, the instruction of each stream that has not been issued. Unsettled instructions have a
// negative end in `timeline`.
std::string stuck_text(const Cast& cast, const RankLists& lists, const Timeline& timeline,
                       const std::vector<StreamPositions>& next);

}  // namespace trainyard
