// Seconds of a collective or a send alone on its links, from the tiers its group crosses.
//
// Sizes S are NCCL's: all-reduce the buffer, all-gather and reduce-scatter the gathered buffer, all-to-all and
// send-receive what a rank sends.
//
// All-reduce, all-gather, reduce-scatter and broadcast follow NCCL: the least t = latency + S / bandwidth over its
// algorithms and protocols (nccl_tuner.hpp), with bandwidths that were achieved. A ring over several tiers enters and
// leaves an island once per direction with the bandwidth of all its members, so its bus bandwidth is
// B = min over tiers of efficiency * bandwidth * (ranks below the tier). In bus bandwidth, g ranks to the node:
//   ring      B
//   tree      0.92 min(B inside, D), D = g NICs (twice that between two nodes, where a node sends S once only)
//   nvls      multicast gain * B inside one NVLink domain; with SHARP between nodes at most g NICs
//   nvls-tree min(nvls, D)
// each at most what NCCL's kernels drive per channel. That tree and NVLS beat line rate on two nodes is measured:
// 469 GB/s on 2 x 8 H100 over 400 GB/s of NICs. Inside one NVLink domain whose device profile has a measured curve of
// the operation the time is the curve's (collective_curve.hpp), the algorithm NCCL's tuner's.
//
//   pairwise  t = α + peers α_peer + max over tiers of S (n - ranks that a lower tier reaches) / n / (η B_tier)
//             all-to-all: every rank sends to all others at once, each message on the tier where the two meet
//   rail      the same, but every message first goes over NVLink to the GPU of its node that shares the receiver's rail
//             (NCCL's PXN, 2.12 on): S (g-1)/g move inside the node and a NIC talks to nodes - 1 peers, not n - g;
//             where that is faster and NVLink joins a node
//   two-hop   as rail, but S_outside bytes leave the island and S (g-1)/g move inside it, g ranks to the island:
//             DeepEP sends a token to a node once and forwards it there over NVLink
//   neighbour t = α + S / (η B_tier) on the slowest tier between ring neighbours   send-receive
//
// Over nodes the latency grows with S: a message beyond 1 KiB takes 8 % of a send's latency longer with every doubling,
// up to 64 MiB, in each pass over the network; and a ring enters every node once per pass, so that all-gathers on two
// nodes wait for the network twice (nccl-tests on InfiniBand, RoCE, EFA and Slingshot).
//
// The time never falls as S grows. Formulas: Thakur et al. 2005; NCCL's tuning model; DeepEP.
#pragma once

#include <string_view>
#include <vector>

#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/hardware.hpp"

namespace trainyard {

struct CollectiveCost {
  Seconds time{};
  std::string_view algorithm;  // "ring", "tree", "nvls", "nvls-tree", "collnet-direct", "collnet-chain", "pat",
                               // "pairwise", "rail", "two-hop", "neighbour", "none"
  LinkClass slowest_link = LinkClass::nvlink;
  std::string_view protocol = {};  // "LL", "LL128", "Simple"; empty where NCCL has no choice
  Seconds latency{};               // the part of `time` that does not depend on bandwidth
  int channels = 0;                // NCCL channels = thread blocks, one multiprocessor each; 0 = none known
  bool measured = false;           // `time` is that of a measured curve, not of a formula
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

// What one host thread needs to launch a collective on the `ranks_of_thread` GPUs that it drives, the least time of one
// in nccl-tests with -g: 0 where every rank has a thread of its own, whose launches run ahead of its GPU.
Seconds launch_time(CollectiveKind kind, int ranks, int ranks_of_thread);

// A pipeline send between two ranks, every rank of the stage sending at once.
Seconds send_time(Bytes size, const std::vector<Tier>& tiers, const DeviceProfile& device,
                  const NetworkProfile& network);

}  // namespace trainyard
