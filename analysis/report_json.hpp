// The machine-readable answers: one JSON object each, units in the key names, keys only ever added. Indented, ending
// with a newline; numbers that are not finite become null.
#pragma once

#include <string>
#include <vector>

#include "analysis/memory_timeline.hpp"
#include "analysis/simulate.hpp"
#include "sim/plan/check_plan.hpp"

namespace trainyard {

inline constexpr int json_schema_version = 1;

std::string report_json(const Job& job, const SimulatedStep& step);  // simulate --json
// memory --json; `curves` (memory --timeline) may be empty.
std::string memory_json(const Job& job, const Plan& resolved, const MemoryLedger& ledger,
                        const std::vector<StageMemoryCurve>& curves = {});
std::string problems_json(const std::string& scenario, const std::vector<PlanProblem>& problems);  // infeasible

}  // namespace trainyard
