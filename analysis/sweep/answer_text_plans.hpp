// Tables of plans: numbers in columns, the words of the plan beside them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/text_layout.hpp"

namespace trainyard {

struct PlanRow {
  std::vector<std::string> cells;  // under `columns`
  std::string line;                // plan_line
  Ink ink = Ink::plain;
  std::string mark = " ";
};

// The settings of a plan_line.
std::vector<std::string> plan_words(std::string_view line);

// A plan's words that all rows share, and `reference` if it is one, are said once above the table; the others fill the
// space right of the columns, in several lines where they must. One row keeps its words. Rows may have a remark in the
// place of a plan.
std::string plan_table(const std::vector<TableColumn>& columns, const std::vector<PlanRow>& rows,
                       const TextStyle& style, const std::string& reference = "");

}  // namespace trainyard
