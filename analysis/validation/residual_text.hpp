// Patterns of errors and the promised range as people read them: tables for a terminal and for Markdown.
#pragma once

#include <string>
#include <vector>

#include "analysis/text_layout.hpp"
#include "analysis/validation/coverage.hpp"
#include "analysis/validation/residual_patterns.hpp"

namespace trainyard {

std::string patterns_text(const std::vector<ResidualPattern>& patterns, const TextStyle& style);
std::string patterns_markdown(const std::vector<ResidualPattern>& patterns);

// The most surprising values of each axis.
std::string axes_text(const std::vector<AxisValue>& values, const TextStyle& style);

// One sentence; empty if no row has both times.
std::string coverage_sentence(const std::vector<ValidatedRun>& rows);
// Per stack: rows, inside, p10 and p90 as they are and as the rows have them.
std::string coverage_table(const std::vector<ValidatedRun>& rows, const TextStyle& style);

}  // namespace trainyard
