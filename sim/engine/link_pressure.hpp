// Which links are short, and whose fault it is.
#pragma once

#include <string>
#include <vector>

#include "sim/base/hardware.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

struct CommunicatorSet;
class LinkMap;

// A link that several communicators want at once, or one that is degraded.
struct LinkPressure {
  std::string link;  // "node 1 NIC3 out"
  LinkClass link_class = LinkClass::nvlink;
  BytesPerSecond wanted{};   // by all of them together, each as fast as it would be alone
  BytesPerSecond carries{};  // what transfers get of it
  double health = 1.0;       // < 1: degraded
  int communicators = 0;
  std::string users;  // "data-parallel groups, sends from stage 0 to 1"
  friend bool operator==(const LinkPressure&, const LinkPressure&) = default;
};

// [link] of the cluster.
struct LinkDemand {
  double wanted = 0;   // bytes per second of all communicators
  double largest = 0;  // of one
  int users = 0;
};

// Of every kind of link the most wanted that is short, and the degraded ones; most wanted for its width first.
std::vector<LinkPressure> link_pressures(const std::vector<CommunicatorSet>& sets,
                                         const std::vector<LinkDemand>& demand, const std::vector<double>& capacity,
                                         const LinkMap& links);

}  // namespace trainyard
