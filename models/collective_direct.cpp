#include <algorithm>

#include "models/collective_cost.hpp"
#include "models/collective_links.hpp"

namespace trainyard {
namespace {

double direct_efficiency(const Tier& tier, const CollectiveSetting& s) {
  const bool fused = s.outside.value >= 0;
  if (is_nvlink(tier.link)) return fused ? s.device.dispatch_efficiency : s.device.all_to_all_efficiency;
  if (!crosses_network(tier.link)) return s.network.pcie_efficiency;
  const double nic = fused ? s.network.p2p_efficiency : s.network.all_to_all_efficiency;
  return tier.link == LinkClass::spine ? nic * s.network.routing_efficiency : nic;
}

enum class Route {
  direct,  // every message over the NIC of the rank that sends it
  rail,    // NCCL's PXN: first over NVLink to the rank of the node that shares a rail with the receiver
};

// What of a rank's message crosses a tier whose islands below hold `inner` ranks and whose own holds `outer`. Links
// inside a node carry what stays there and, where messages change rails or are forwarded, what leaves it; a network's
// upper level carries what its NICs carried before.
Bytes direct_bytes(const Tier& tier, const CollectiveSetting& s, double inner, double outer, double island,
                   Route route) {
  const double n = s.ranks;
  if (!crosses_network(tier.link)) {
    const bool forwarded = s.outside.value >= 0 || route == Route::rail;
    return (outer - inner) / (forwarded ? island : n) * s.size;
  }
  if (s.outside.value < 0) return (n - inner) / n * s.size;
  return n > island ? (n - inner) / (n - island) * s.outside : Bytes(0);
}

// The first hop of a message to another node, and a handshake for every peer. On rails, as in the fused dispatcher, a
// NIC talks to one rank of every other node, after a hop over NVLink.
Seconds direct_latency(const CollectiveSetting& s, double island, Route route) {
  Seconds total = s.device.collective_base + (island - 1) * s.device.all_to_all_peer;
  if (s.ranks > island) {
    const bool one_per_node = s.outside.value >= 0 || route == Route::rail;
    const double peers = one_per_node ? s.ranks / island - 1 : s.ranks - island;
    total += s.network.p2p_latency + peers * s.network.all_to_all_peer;
    if (route == Route::rail) total += s.device.collective_step;
  }
  for (const Tier& tier : s.tiers) total += tier.latency;
  return total;
}

Seconds hop_time(Bytes size, const Tier& tier, const DeviceProfile& device, const NetworkProfile& network) {
  if (crosses_network(tier.link))
    return network.p2p_latency + tier.latency + size / (network.p2p_efficiency * tier.bandwidth);
  if (is_nvlink(tier.link))  // NCCL's sends reach what they reach in an all-to-all: 196 of 300 GB/s on A100
    return device.collective_step + tier.latency + size / (device.all_to_all_efficiency * tier.bandwidth);
  return network.pcie_latency + tier.latency + size / (network.pcie_efficiency * tier.bandwidth);
}

// Ranks that reach each other without the network, and whether NVLink alone joins them.
struct Island {
  double ranks = 1;
  bool nvlink = true;
};
Island island_of(const CollectiveSetting& s) {
  Island island;
  for (const Tier& tier : s.tiers) {
    if (crosses_network(tier.link)) continue;
    island.ranks *= tier.ranks;
    if (tier.ranks > 1 && !is_nvlink(tier.link)) island.nvlink = false;
  }
  return island;
}

DirectTransfer exchange(const CollectiveSetting& s, double island, Route route) {
  DirectTransfer result;
  result.algorithm = s.outside.value >= 0 ? "two-hop" : route == Route::rail ? "rail" : "pairwise";
  Seconds longest(-1);
  double inner = 1;
  for (const Tier& tier : s.tiers) {
    const double outer = inner * tier.ranks;
    const Bytes crossing = direct_bytes(tier, s, inner, outer, island, route);
    const Seconds here = crossing / (direct_efficiency(tier, s) * tier.bandwidth);
    if (tier.ranks > 1 && here > longest) {
      longest = here;
      result.slowest = tier.link;
    }
    inner = outer;
  }
  result.latency = direct_latency(s, island, route);
  result.time = result.latency + std::max(longest, Seconds(0));
  return result;
}

}  // namespace

DirectTransfer all_to_all(const CollectiveSetting& s) {
  const Island island = island_of(s);
  const DirectTransfer pairwise = exchange(s, island.ranks, Route::direct);
  const bool rails = s.outside.value < 0 && island.nvlink && island.ranks > 1 && s.ranks > island.ranks;
  if (!rails) return pairwise;
  const DirectTransfer by_rail = exchange(s, island.ranks, Route::rail);
  return by_rail.time < pairwise.time ? by_rail : pairwise;
}

DirectTransfer neighbour_exchange(const CollectiveSetting& s) {
  DirectTransfer result{Seconds(-1), LinkClass::nvlink, "neighbour", {}};
  for (const Tier& tier : s.tiers) {
    if (tier.ranks <= 1) continue;
    const Seconds here = hop_time(s.size, tier, s.device, s.network);
    if (here > result.time) result = {here, tier.link, "neighbour", hop_time(Bytes(0), tier, s.device, s.network)};
  }
  return result;
}

Seconds send_time(Bytes size, const std::vector<Tier>& tiers, const DeviceProfile& device,
                  const NetworkProfile& network) {
  return tiers.empty() ? Seconds(0) : hop_time(size, tiers.back(), device, network);
}

}  // namespace trainyard
