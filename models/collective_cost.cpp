#include "models/collective_cost.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace trainyard {
namespace {

struct Setting {
  CollectiveKind kind;
  Bytes size;
  const std::vector<Tier>& tiers;
  const DeviceProfile& device;
  const NetworkProfile& network;
  int ranks;
};

constexpr double tree_bandwidth = 0.92;  // NCCL's tuning model: tree bandwidth relative to ring
constexpr Seconds unavailable{std::numeric_limits<double>::infinity()};

bool crosses_network(LinkClass link) { return link == LinkClass::net || link == LinkClass::spine; }

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
  if (tier.link == LinkClass::nvlink || tier.link == LinkClass::c2c) return s.device.collective_step + tier.latency;
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
      return 1.0;
  }
  return 0;
}

Bytes ring_bytes_sent(CollectiveKind kind, Bytes size, int ranks) { return bus_factor(kind, ranks) * size; }

CollectiveCost collective_cost(CollectiveKind kind, Bytes size, const std::vector<Tier>& tiers,
                               const DeviceProfile& device, const NetworkProfile& network) {
  const Setting setting{kind, size, tiers, device, network, group_size(tiers)};
  if (setting.ranks <= 1 || size.value <= 0) return {Seconds(0), "none", LinkClass::nvlink};
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
  if (tiers.empty()) return Seconds(0);
  const Tier& tier = tiers.back();
  if (crosses_network(tier.link))
    return network.p2p_latency + tier.latency + size / (network.p2p_efficiency * tier.bandwidth);
  if (tier.link == LinkClass::nvlink || tier.link == LinkClass::c2c)
    return device.collective_step + tier.latency + size / (device.reduction_efficiency * tier.bandwidth);
  return network.pcie_latency + tier.latency + size / (network.pcie_efficiency * tier.bandwidth);
}

}  // namespace trainyard
