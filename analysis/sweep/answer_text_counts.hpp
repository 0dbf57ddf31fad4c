// What became of the plans of a sweep, as text.
#pragma once

#include <cstdint>
#include <string>

#include "analysis/sweep/outcome.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {

// "1 204 312"
std::string grouped(std::int64_t number);
// "1 plan", "1 204 312 plans"
std::string plans_in_words(std::int64_t plans);

// Numbers and shares in columns, each with its sentence; under those that cannot run the commonest reasons.
std::string counts_text(const SweepCounts& counts, const TextStyle& style);

}  // namespace trainyard
