// Tables of plans: numbers in columns, the words of the plan beside them.
#pragma once

#include <string>
#include <vector>

#include "analysis/text_layout.hpp"

namespace trainyard {

struct PlanRow {
  std::vector<std::string> cells;  // under `columns`
  std::string line;                // plan_line
  Ink ink = Ink::plain;
  std::string mark = " ";
};

// A plan's words that all rows share are said once above the table; the others fill the space right of the columns, in
// several lines where they must. One row keeps its words.
std::string plan_table(const std::vector<TableColumn>& columns, const std::vector<PlanRow>& rows,
                       const TextStyle& style);

}  // namespace trainyard
