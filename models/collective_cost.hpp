// Seconds of a collective or a send alone on its links, from the tiers its group crosses.
//
// One NVLink domain whose device profile has a measured curve of the operation: that curve (collective_curve.hpp).
// Elsewhere closed forms:
//
// Sizes S are NCCL's: all-reduce the buffer, all-gather and reduce-scatter the gathered buffer, all-to-all and
// send-receive what a rank sends. A ring over several tiers enters and leaves an island once per direction with the
// bandwidth of all its members, so its speed is B = min over tiers of efficiency * bandwidth * (ranks below the tier).
//   ring        t = α(steps) + f S / B          f = 2(n-1)/n all-reduce, (n-1)/n all-gather and reduce-scatter
//   multicast   t = α_mc + f S / (gain B)       all-reduce inside one NVLink-SHARP domain
//   hierarchy   reduce-scatter inside, all-reduce of S/k across, all-gather inside
//   tree        t = 2 log2(islands) hops + f S / (0.92 B)   all-reduce across nodes
//   pairwise    t = α + peers α_peer + max over tiers of S (n - ranks that a lower tier reaches) / n / (η B_tier)
//               all-to-all: every rank sends to all others at once, each message on the tier where the two meet
//   two-hop     the same, but S_outside bytes leave the island and S (g-1)/g move inside it, g ranks to the island:
//               DeepEP sends a token to a node once and forwards it there over NVLink
//   neighbour   t = α + S / (η B_tier) on the slowest tier between ring neighbours   send-receive
// All-reduce takes the fastest, as NCCL's tuner does. Formulas: Thakur et al. 2005; NCCL's tuning model; DeepEP.
#pragma once

#include <string_view>
#include <vector>

#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/hardware.hpp"

namespace trainyard {

struct CollectiveCost {
  Seconds time{};
  std::string_view algorithm;  // "ring", "nvls", "hierarchical", "tree", "pairwise", "two-hop", "neighbour",
                               // "measured", "none"
  LinkClass slowest_link = LinkClass::nvlink;
  std::string_view protocol = {};  // "LL", "LL128", "Simple"; empty where NCCL has no choice
  Seconds latency{};               // the part of `time` that does not depend on bandwidth
  int channels = 0;                // NCCL channels = thread blocks, one multiprocessor each; 0 = none known
};

int group_size(const std::vector<Tier>& tiers);

// nccl-tests' busbw factor: bus bandwidth = factor * S / t.
double bus_factor(CollectiveKind kind, int ranks);

// Bytes a rank sends: 2(n-1)/n S for a ring all-reduce, S for send-receive, (n-1)/n S for the others.
Bytes ring_bytes_sent(CollectiveKind kind, Bytes size, int ranks);

// outside: of an all-to-all that sends a token once per island, the bytes per rank that leave its innermost tier;
// negative = every byte goes to a uniformly drawn member.
CollectiveCost collective_cost(CollectiveKind kind, Bytes size, const std::vector<Tier>& tiers,
                               const DeviceProfile& device, const NetworkProfile& network, Bytes outside = Bytes(-1.0));

// A pipeline send between two ranks, every rank of the stage sending at once.
Seconds send_time(Bytes size, const std::vector<Tier>& tiers, const DeviceProfile& device,
                  const NetworkProfile& network);

}  // namespace trainyard
