#include "models/collective_cost.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "models/collective_curve.hpp"

namespace trainyard {
namespace {

struct Setting {
  CollectiveKind kind;
  Bytes size;
  const std::vector<Tier>& tiers;
  const DeviceProfile& device;
  const NetworkProfile& network;
  int ranks;
  Bytes outside{-1.0};
};

constexpr double tree_bandwidth = 0.92;  // NCCL's tuning model: tree bandwidth relative to ring
constexpr Seconds unavailable{std::numeric_limits<double>::infinity()};

bool crosses_network(LinkClass link) { return link == LinkClass::net || link == LinkClass::spine; }
bool is_nvlink(LinkClass link) { return link == LinkClass::nvlink || link == LinkClass::c2c; }

double efficiency(const Tier& tier, const Setting& s) {
  switch (tier.link) {
    case LinkClass::nvlink:
    case LinkClass::c2c:
      return s.device.reduction_efficiency;
    case LinkClass::pix:
    case LinkClass::pxb:
    case LinkClass::phb:
    case LinkClass::node:
    case LinkClass::sys:
      return s.network.pcie_efficiency;
    case LinkClass::net:
      return s.network.collective_efficiency;
    case LinkClass::spine:
      return s.network.collective_efficiency * s.network.routing_efficiency;
  }
  return 0;
}

Seconds step_latency(const Tier& tier, const Setting& s) {
  if (crosses_network(tier.link)) return s.network.step_latency + tier.latency;
  if (is_nvlink(tier.link)) return s.device.collective_step + tier.latency;
  return s.network.pcie_latency + tier.latency;
}

// Steps of the ring that cross tier i: ranks_i - 1 per enclosing island of the ring's single path, n - 1 in all.
Seconds ring_latency(const Setting& s, double rounds) {
  Seconds total = s.device.collective_base;
  double outer = s.ranks;  // islands of this tier
  for (const Tier& tier : s.tiers) {
    outer /= tier.ranks;
    total += rounds * outer * (tier.ranks - 1) * step_latency(tier, s);
  }
  return total;
}

BytesPerSecond ring_bandwidth(const Setting& s) {
  BytesPerSecond worst(std::numeric_limits<double>::infinity());
  double inner = 1;
  for (const Tier& tier : s.tiers) {
    worst = std::min(worst, efficiency(tier, s) * inner * tier.bandwidth);
    inner *= tier.ranks;
  }
  return worst;
}

// The tier on which one round of the message takes longest: its hop and the bytes that cross it.
LinkClass slowest_link(const Setting& s) {
  LinkClass link = LinkClass::nvlink;
  Seconds longest(-1);
  double inner = 1;
  for (const Tier& tier : s.tiers) {
    const Seconds here = step_latency(tier, s) + s.size / (efficiency(tier, s) * inner * tier.bandwidth);
    if (tier.ranks > 1 && here >= longest) {
      longest = here;
      link = tier.link;
    }
    inner *= tier.ranks;
  }
  return link;
}

Seconds ring(const Setting& s) {
  // A reduce-scatter pass and an all-gather pass; the profile's step is that of a whole all-reduce round.
  const double rounds = s.kind == CollectiveKind::all_reduce ? 1.0 : 0.5;
  return ring_latency(s, rounds) + bus_factor(s.kind, s.ranks) * s.size / ring_bandwidth(s);
}

Seconds multicast(const Setting& s) {
  if (s.kind != CollectiveKind::all_reduce || s.tiers.size() != 1 || !s.tiers.front().multicast || s.ranks < 3 ||
      s.device.multicast_gain <= 1)
    return unavailable;
  return s.device.multicast_latency +
         bus_factor(s.kind, s.ranks) * s.size / (s.device.multicast_gain * ring_bandwidth(s));
}

Seconds hierarchical(const Setting& s) {
  if (s.kind != CollectiveKind::all_reduce || s.tiers.size() < 2) return unavailable;
  Seconds total = s.device.collective_base;
  Bytes size = s.size;
  for (const Tier& tier : s.tiers) {
    const double pass = bus_factor(CollectiveKind::all_reduce, tier.ranks);
    total += (tier.ranks - 1) * step_latency(tier, s) + pass * size / (efficiency(tier, s) * tier.bandwidth);
    size = size / static_cast<double>(tier.ranks);
  }
  return total;
}

Seconds tree(const Setting& s) {
  if (s.kind != CollectiveKind::all_reduce || !crosses_network(s.tiers.back().link)) return unavailable;
  Seconds latency = s.device.collective_base;
  for (const Tier& tier : s.tiers) latency += 2.0 * std::log2(static_cast<double>(tier.ranks)) * step_latency(tier, s);
  return latency + bus_factor(s.kind, s.ranks) * s.size / (tree_bandwidth * ring_bandwidth(s));
}

// --- all-to-all ---

double direct_efficiency(const Tier& tier, const Setting& s) {
  const bool fused = s.outside.value >= 0;
  if (is_nvlink(tier.link)) return fused ? s.device.dispatch_efficiency : s.device.all_to_all_efficiency;
  if (!crosses_network(tier.link)) return s.network.pcie_efficiency;
  const double nic = fused ? s.network.p2p_efficiency : s.network.all_to_all_efficiency;
  return tier.link == LinkClass::spine ? nic * s.network.routing_efficiency : nic;
}

// What of a rank's message crosses a tier whose islands below hold `inner` ranks and whose own holds `outer`. Links
// inside a node carry what stays there; a network's upper level carries what its NICs carried before.
Bytes direct_bytes(const Tier& tier, const Setting& s, double inner, double outer, double island) {
  const double n = s.ranks;
  if (!crosses_network(tier.link)) {
    return (outer - inner) / (s.outside.value >= 0 ? island : n) * s.size;
  }
  if (s.outside.value < 0) return (n - inner) / n * s.size;
  return n > island ? (n - inner) / (n - island) * s.outside : Bytes(0);
}

// The first hop of a message to another node, and a handshake for every peer.
Seconds direct_latency(const Setting& s, double island) {
  Seconds total = s.device.collective_base + (island - 1) * s.device.all_to_all_peer;
  if (s.ranks > island) {
    // The fused dispatcher talks to the rank with its own index in every node and leaves the rest to that one.
    const double peers = s.outside.value >= 0 ? s.ranks / island - 1 : s.ranks - island;
    total += s.network.p2p_latency + peers * s.network.all_to_all_peer;
  }
  for (const Tier& tier : s.tiers) total += tier.latency;
  return total;
}

struct Direct {
  Seconds time{};
  LinkClass slowest = LinkClass::nvlink;
};
Direct all_to_all(const Setting& s) {
  double island = 1;  // ranks that reach each other without the network
  for (const Tier& tier : s.tiers)
    if (!crosses_network(tier.link)) island *= tier.ranks;
  Direct result;
  Seconds longest(-1);
  double inner = 1;
  for (const Tier& tier : s.tiers) {
    const double outer = inner * tier.ranks;
    const Seconds here = direct_bytes(tier, s, inner, outer, island) / (direct_efficiency(tier, s) * tier.bandwidth);
    if (tier.ranks > 1 && here > longest) {
      longest = here;
      result.slowest = tier.link;
    }
    inner = outer;
  }
  result.time = direct_latency(s, island) + std::max(longest, Seconds(0));
  return result;
}

Seconds hop_time(Bytes size, const Tier& tier, const DeviceProfile& device, const NetworkProfile& network) {
  if (crosses_network(tier.link))
    return network.p2p_latency + tier.latency + size / (network.p2p_efficiency * tier.bandwidth);
  if (is_nvlink(tier.link))
    return device.collective_step + tier.latency + size / (device.reduction_efficiency * tier.bandwidth);
  return network.pcie_latency + tier.latency + size / (network.pcie_efficiency * tier.bandwidth);
}

Direct neighbour(const Setting& s) {
  Direct result{Seconds(-1), LinkClass::nvlink};
  for (const Tier& tier : s.tiers) {
    if (tier.ranks <= 1) continue;
    const Seconds here = hop_time(s.size, tier, s.device, s.network);
    if (here > result.time) result = {here, tier.link};
  }
  return result;
}

struct Algorithm {
  std::string_view name;
  Seconds (*time)(const Setting&);
};
constexpr std::array algorithms = {Algorithm{"ring", ring}, Algorithm{"nvls", multicast},
                                   Algorithm{"hierarchical", hierarchical}, Algorithm{"tree", tree}};

}  // namespace

int group_size(const std::vector<Tier>& tiers) {
  int n = 1;
  for (const Tier& tier : tiers) n *= tier.ranks;
  return n;
}

double bus_factor(CollectiveKind kind, int ranks) {
  const double n = ranks;
  switch (kind) {
    case CollectiveKind::all_reduce:
      return 2.0 * (n - 1.0) / n;
    case CollectiveKind::all_gather:
    case CollectiveKind::reduce_scatter:
    case CollectiveKind::all_to_all:
      return (n - 1.0) / n;
    case CollectiveKind::broadcast:
    case CollectiveKind::send_receive:
      return 1.0;
  }
  return 0;
}

Bytes ring_bytes_sent(CollectiveKind kind, Bytes size, int ranks) { return bus_factor(kind, ranks) * size; }

CollectiveCost collective_cost(CollectiveKind kind, Bytes size, const std::vector<Tier>& tiers,
                               const DeviceProfile& device, const NetworkProfile& network, Bytes outside) {
  const Setting setting{kind, size, tiers, device, network, group_size(tiers), outside};
  if (setting.ranks <= 1 || size.value <= 0) return {Seconds(0), "none", LinkClass::nvlink};
  // Curves are of one NVLink domain and of NCCL; what crosses nodes, and fused dispatchers, follow the formulas.
  if (tiers.size() == 1 && outside.value < 0)
    if (const auto measured = measured_collective_time(kind, size, tiers.front(), device))
      return {*measured, "measured", LinkClass::nvlink};
  if (kind == CollectiveKind::all_to_all) {
    const Direct direct = all_to_all(setting);
    return {direct.time, outside.value >= 0 ? "two-hop" : "pairwise", direct.slowest};
  }
  if (kind == CollectiveKind::send_receive) {
    const Direct direct = neighbour(setting);
    return {direct.time, "neighbour", direct.slowest};
  }
  CollectiveCost best{unavailable, "none", slowest_link(setting)};
  for (const Algorithm& algorithm : algorithms) {
    const Seconds time = algorithm.time(setting);
    if (time < best.time) {
      best.time = time;
      best.algorithm = algorithm.name;
    }
  }
  return best;
}

Seconds send_time(Bytes size, const std::vector<Tier>& tiers, const DeviceProfile& device,
                  const NetworkProfile& network) {
  return tiers.empty() ? Seconds(0) : hop_time(size, tiers.back(), device, network);
}

}  // namespace trainyard
