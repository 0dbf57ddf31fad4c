// The scores as people read them: a table for a terminal, the same as Markdown for the README, and the lists behind it.
#pragma once

#include <string>
#include <vector>

#include "analysis/text_layout.hpp"
#include "analysis/validation/score.hpp"

namespace trainyard {

// Step times, then memory and the choice of plan for the groups that have them: one line per group and, for more than
// one group, the macro mean; then how many rows were skipped. The Markdown is one table.
std::string score_table(const std::vector<GroupScore>& groups, const TextStyle& style);
std::string score_markdown(const std::vector<GroupScore>& groups);

// One line per row: id, group, plan, measured and predicted step time and memory, error.
std::string details_table(const std::vector<ValidatedRun>& rows, const TextStyle& style);

// Why rows have no prediction: per reason the number of rows and their ids.
std::string skips_text(const std::vector<ValidatedRun>& rows);

// What was assumed where rows do not say: per assumption the number of predicted rows.
std::string assumptions_text(const std::vector<ValidatedRun>& rows);

}  // namespace trainyard
