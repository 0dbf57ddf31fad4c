// Better mappings by swapping ranks, judged by how long their groups' messages take: a stand-in for the simulated step
// that costs microseconds instead of a millisecond.
#pragma once

#include <compare>
#include <vector>

#include "analysis/placement/rank_traffic.hpp"
#include "models/profile.hpp"
#include "topology/routes.hpp"

namespace trainyard {

// Seconds of a step in which a rank communicates, nothing overlapped. `slowest`: every stage waits for the slowest
// group of a kind, as the simulated step does; mean over stages. `mean`: over all groups, which tells where to go on
// while the slowest are many.
struct MessageTime {
  double slowest = 0;
  double mean = 0;
  friend std::partial_ordering operator<=>(const MessageTime&, const MessageTime&) = default;
};

struct SwapResult {
  std::vector<DeviceId> device;  // of every rank
  MessageTime time;
};

// From `device` on, swaps the devices of two groups of the kind that communicates longest, or of two ranks, wherever
// that lowers the message time, until no swap does or `most_swaps` were tried. Ranks of a slow group come first; the
// choice among them is drawn with a fixed seed.
SwapResult swap_descent(const RankTraffic& traffic, const Routes& routes, const Profile& profile,
                        std::vector<DeviceId> device, int most_swaps);

}  // namespace trainyard
