// How many bytes of one step cross every link of the cluster, and for what.
#pragma once

#include <string>
#include <vector>

#include "analysis/simulate.hpp"

namespace trainyard {

struct LinkLoad {
  std::string link;  // "node 1 NIC3 out"
  int index = 0;     // of the job's LinkMap
  LinkClass link_class = LinkClass::nvlink;
  Bytes bytes{};      // of the step
  Seconds least{};    // bytes / what the link carries: below the step time, or the step could not be that short
  double busy = 0;    // least / step time
  std::vector<Bytes> of;  // [communication line of the step's result] parts of bytes
  friend bool operator==(const LinkLoad&, const LinkLoad&) = default;
};

// Every link that carries something, in the cluster's order. From the footprints of the collectives' algorithms over the
// program's groups, whichever engine has run; what runs inside blocks is counted.
std::vector<LinkLoad> link_loads(const Job& job, const SimulatedStep& step);

}  // namespace trainyard
