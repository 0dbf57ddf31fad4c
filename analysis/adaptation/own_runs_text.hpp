// What somebody's own measured steps taught, as people read it.
#pragma once

#include <string>

#include "analysis/adaptation/own_runs.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {

std::string own_runs_text(const OwnRuns& result, const TextStyle& style);

// Why a constant was not learnt and what would determine it; empty for a learnt one.
std::string not_learnt_because(const OwnConstant& constant);

}  // namespace trainyard
