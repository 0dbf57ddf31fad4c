// What stands in front of the events of a Kineto file.
#pragma once

#include <string>
#include <vector>

#include "analysis/simulate.hpp"
#include "analysis/trace/kineto_groups.hpp"

namespace trainyard {

struct KinetoHead {
  RankId rank;
  int device = 0;  // index in its node
  std::vector<ProcessGroup> groups;
};

// The file up to and with the bracket that opens traceEvents. One member per line and a space after every colon: HTA
// looks for the rank line by line with the pattern `"rank":\s+(\d+)` and takes the first hit.
std::string kineto_head(const Job& job, const SimulatedStep& step, const KinetoHead& head);

}  // namespace trainyard
