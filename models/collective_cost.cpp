#include "models/collective_cost.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/collective_curve.hpp"
#include "models/collective_links.hpp"
#include "models/nccl_tuner.hpp"

namespace trainyard {
namespace {

constexpr double gigabyte = 1e9;
constexpr double microsecond = 1e-6;
constexpr double tree_share = 0.92;  // NCCL's tuning model: tree bandwidth relative to ring
constexpr double unlimited = std::numeric_limits<double>::infinity();
constexpr int most_heads = 8;  // GPUs of a node that NCCL's limits per channel of NVLS count

double efficiency(const Tier& tier, const CollectiveSetting& s) {
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

// Bus bandwidths of a ring inside the nodes and of all NICs of a node, GB/s; infinite where there is no such level.
NcclLinks achieved_links(const CollectiveSetting& s) {
  NcclLinks links{unlimited, unlimited};
  double inner = 1;
  for (const Tier& tier : s.tiers) {
    const double here = efficiency(tier, s) * inner * tier.bandwidth.value / gigabyte;
    double& level = crosses_network(tier.link) ? links.network : links.inside;
    if (tier.ranks > 1) level = std::min(level, here);
    inner *= tier.ranks;
  }
  return links;
}

// Share of the NICs' rate that is left to an all-reduce of more than two nodes that drives all their NICs.
double uncongested(const CollectiveSetting& s, const NcclGroup& g) {
  if (g.nodes <= 2 || !(s.network.congestion > 0)) return 1;
  return std::pow(1 - std::min(s.network.congestion, 0.5), std::log2(g.nodes / 2.0));
}

// Channels of the tree: one per NIC. A tier does not say how many NICs its bandwidth is; where a rank's share is less
// than a NIC of 200 Gb/s, two GPUs behind a PCIe switch are taken to share one.
double tree_channels(const CollectiveSetting& s, const NcclGroup& g) {
  constexpr BytesPerSecond whole_nic = 25_GBps;
  constexpr int fewest = 2;
  if (g.nodes == 1) return std::numeric_limits<double>::infinity();
  const bool shared = s.tiers.back().bandwidth < whole_nic;
  return std::max(shared ? g.per_node / 2 : g.per_node, fewest);
}

NcclRates achieved_rates(const CollectiveSetting& s, const NcclGroup& g, const NcclRates& assumed) {
  const NcclLinks links = achieved_links(s);
  NcclRates rates = assumed;  // for the channels
  const double nics = links.network * uncongested(s, g);
  const bool crowded = s.kind == CollectiveKind::all_reduce && g.per_node > 1;
  rates.ring = std::min(links.inside, crowded ? nics : links.network);
  // Between two nodes a tree sends S out of a node once where a ring sends it twice.
  const double out_once = g.nodes == 2 ? 2 : 1;
  const double kernels = tree_channels(s, g) * nccl_tree_limit(g.generation, g.nodes);
  rates.tree = std::min(tree_share * std::min(links.inside, out_once * nics), kernels);
  const bool reduces_in_switch = s.kind == CollectiveKind::all_reduce && g.multicast && g.per_node > 2;
  const double multicast = reduces_in_switch ? s.device.multicast_gain * links.inside : 0.0;
  rates.nvls = g.nodes == 1 && s.device.multicast_gain > 1 ? multicast : 0.0;
  rates.nvls_tree = 0;
  if (g.nodes == 1 || s.device.multicast_gain <= 1) return rates;
  const double heads = std::min(g.per_node, most_heads) * nccl_nvls_tree_limit(g.generation, g.nodes);
  rates.nvls_tree = std::min({multicast, out_once * nics, heads});
  if (g.in_network_reduction) rates.nvls = std::min(multicast, links.network);
  return rates;
}

NcclLatencies achieved_latencies(const CollectiveSetting& s, const NcclGroup& g) {
  constexpr double table_step = 14.0;  // NCCL's step of protocol Simple over its reference network, microseconds
  // Per doubling, of a send's latency. nccl-tests on two nodes, all-reduce of 1 to 32 KiB over that of less than 1 KiB:
  // 7 to 9 us on H100 and 20 us on A100 over InfiniBand, 60 us over EFA v1.
  constexpr double growth_share = 0.08;
  NcclLatencies l;
  const double step = s.network.step_latency.value / microsecond;
  l.between = std::min(step / table_step, 1.0);
  l.between_added = std::max(step - table_step, 0.0);
  l.message_growth = growth_share * s.network.p2p_latency.value / microsecond;
  l.inside = s.device.collective_latency;
  Seconds stated{};
  for (const Tier& tier : s.tiers)
    if (crosses_network(tier.link) && tier.ranks > 1) stated = std::max(stated, tier.latency);
  l.between_added += stated.value / microsecond;
  if (g.multicast) {
    l.multicast = s.device.multicast_latency.value / microsecond;
    l.multicast_step = s.device.multicast_step.value / microsecond;
  }
  l.smooth = true;
  return l;
}

// The tier on which one round of the message takes longest: the bytes that cross it, or, of a short message, the hops.
LinkClass slowest_link(const CollectiveSetting& s, const NcclChoice& choice) {
  if (crosses_network(s.tiers.back().link) && choice.latency > 0.5 * choice.time) return s.tiers.back().link;
  LinkClass link = LinkClass::nvlink;
  double longest = -1;
  double inner = 1;
  for (const Tier& tier : s.tiers) {
    const double here = 1 / (efficiency(tier, s) * inner * tier.bandwidth.value);
    if (tier.ranks > 1 && here >= longest) {
      longest = here;
      link = tier.link;
    }
    inner *= tier.ranks;
  }
  return link;
}

CollectiveCost by_nccl(const CollectiveSetting& s) {
  const NcclGroup group = nccl_group(s.tiers, s.device, s.network);
  const NcclLinks links = nccl_links(s.tiers, group.generation);
  NcclRates assumed;
  if (group.in_network_reduction)
    assumed = nccl_rates(s.kind, group, links);
  else
    assumed.channels = nccl_ring_graph(group, links).channels;
  assumed.multicast_channels = nccl_multicast_channels(group);
  const NcclChoice choice =
      fastest_nccl(s.kind, s.size, group, achieved_rates(s, group, assumed), achieved_latencies(s, group));
  return {choice.time,           name(choice.algorithm), slowest_link(s, choice),
          name(choice.protocol), choice.latency,         choice.channels};
}

CollectiveCost by_curve(const CollectiveSetting& s, Seconds measured) {
  CollectiveCost cost{measured, "pairwise", LinkClass::nvlink};
  cost.measured = true;
  if (s.kind == CollectiveKind::all_to_all) return cost;
  const NcclChoice choice = nccl_tune(s.kind, s.size, s.tiers, s.device, s.network);
  cost.algorithm = name(choice.algorithm);
  cost.protocol = name(choice.protocol);
  cost.latency = std::min(choice.latency, measured);
  cost.channels = choice.channels;
  return cost;
}

CollectiveCost by_pairs(const CollectiveSetting& s) {
  const DirectTransfer direct = s.kind == CollectiveKind::all_to_all ? all_to_all(s) : neighbour_exchange(s);
  return {direct.time, direct.algorithm, direct.slowest, {}, direct.latency};
}

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

Seconds launch_time(CollectiveKind kind, int ranks, int ranks_of_thread) {
  // nccl-tests -g 8 on 8 A100 (NCCL 2.8): 34.7 us for a collective of any kind up to 64 KiB, 86 us for an all-to-all.
  constexpr Seconds one_kernel = 4.3_us, one_peer = 0.8_us;
  if (ranks_of_thread <= 1) return Seconds(0);
  const bool pairs = kind == CollectiveKind::all_to_all || kind == CollectiveKind::send_receive;
  const double peers = !pairs ? 0 : kind == CollectiveKind::send_receive ? 1 : ranks;
  return ranks_of_thread * (one_kernel + peers * one_peer);
}

CollectiveCost collective_cost(CollectiveKind kind, Bytes size, const std::vector<Tier>& tiers,
                               const DeviceProfile& device, const NetworkProfile& network, Bytes outside) {
  const CollectiveSetting setting{kind, size, tiers, device, network, group_size(tiers), outside};
  if (setting.ranks <= 1 || size.value <= 0) return {Seconds(0), "none", LinkClass::nvlink};
  // Curves are of one NVLink domain and of NCCL; what crosses nodes, and fused dispatchers, follow the formulas.
  if (tiers.size() == 1 && outside.value < 0)
    if (const auto measured = measured_collective_time(kind, size, tiers.front(), device))
      return by_curve(setting, *measured);
  if (kind == CollectiveKind::all_to_all || kind == CollectiveKind::send_receive) return by_pairs(setting);
  return by_nccl(setting);
}

}  // namespace trainyard
