// The leave-one-out study and the lessons of own runs as JSON; errors are fractions, times seconds.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "analysis/adaptation/leave_one_out.hpp"
#include "analysis/adaptation/own_runs.hpp"

namespace trainyard {

nlohmann::ordered_json leave_one_out_json(const LeaveOneOut& study);
nlohmann::ordered_json own_runs_json(const OwnRuns& result);

}  // namespace trainyard
