// Seconds of a collective or a send alone on its links, from the tiers its group crosses.
//
// Sizes S are NCCL's: all-reduce the buffer, all-gather and reduce-scatter the gathered buffer, all-to-all what a rank
// sends. A ring over several tiers enters and leaves an island once per direction with the bandwidth of all its
// members, so its speed is B = min over tiers of efficiency * bandwidth * (ranks below the tier).
//   ring        t = α(steps) + f S / B          f = 2(n-1)/n all-reduce, (n-1)/n all-gather, reduce-scatter, all-to-all
//   multicast   t = α_mc + f S / (gain B)       all-reduce inside one NVLink-SHARP domain
//   hierarchy   reduce-scatter inside, all-reduce of S/k across, all-gather inside
//   tree        t = 2 log2(islands) hops + f S / (0.92 B)   all-reduce across nodes
// All-reduce takes the fastest, as NCCL's tuner does. Formulas: Thakur et al. 2005; NCCL's tuning model.
#pragma once

#include <string_view>
#include <vector>

#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/hardware.hpp"

namespace trainyard {

struct CollectiveCost {
  Seconds time{};
  std::string_view algorithm;  // "ring", "nvls", "hierarchical", "tree", "none"
  LinkClass slowest_link = LinkClass::nvlink;
};

int group_size(const std::vector<Tier>& tiers);

// nccl-tests' busbw factor: bus bandwidth = factor * S / t.
double bus_factor(CollectiveKind kind, int ranks);

// Bytes a rank sends in a ring: 2(n-1)/n S for all-reduce, (n-1)/n S for the others.
Bytes ring_bytes_sent(CollectiveKind kind, Bytes size, int ranks);

CollectiveCost collective_cost(CollectiveKind kind, Bytes size, const std::vector<Tier>& tiers,
                               const DeviceProfile& device, const NetworkProfile& network);

// A pipeline send between two ranks, every rank of the stage sending at once.
Seconds send_time(Bytes size, const std::vector<Tier>& tiers, const DeviceProfile& device,
                  const NetworkProfile& network);

}  // namespace trainyard
