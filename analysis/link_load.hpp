// How many bytes of one step cross every link of the cluster, and for what.
#pragma once

#include <string>
#include <vector>

#include "analysis/simulate.hpp"
#include "topology/shared_link.hpp"

namespace trainyard {

struct LoadedLink {
  std::string link;  // "node 1 NIC3 out"
  int index = 0;     // of the job's LinkMap
  LinkClass link_class = LinkClass::nvlink;
  SharedLinkKind kind = SharedLinkKind::nvlink_out;
  int node = 0;            // or, of a leaf's uplinks, the scalable unit
  int from = 0, to = 0;    // as SharedLink
  BytesPerSecond width{};  // nominal, in this direction, degradation included
  Bytes bytes{};           // of the step
  Seconds least{};         // bytes / width: below the step time, or the step could not be that short
  double busy = 0;         // least / step time
  std::vector<Bytes> of;   // [communication line of the step's result] parts of bytes
  friend bool operator==(const LoadedLink&, const LoadedLink&) = default;
};

// Every link that carries something, in the cluster's order. From the footprints of the collectives' algorithms over
// the program's groups, whichever engine has run; what runs inside blocks is counted. Copies to and from the hosts'
// memory are not: they cross none of the links that GPUs reach each other by.
std::vector<LoadedLink> link_loads(const Job& job, const SimulatedStep& step);

}  // namespace trainyard
