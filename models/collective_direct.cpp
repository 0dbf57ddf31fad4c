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

// What of a rank's message crosses a tier whose islands below hold `inner` ranks and whose own holds `outer`. Links
// inside a node carry what stays there; a network's upper level carries what its NICs carried before.
Bytes direct_bytes(const Tier& tier, const CollectiveSetting& s, double inner, double outer, double island) {
  const double n = s.ranks;
  if (!crosses_network(tier.link)) {
    return (outer - inner) / (s.outside.value >= 0 ? island : n) * s.size;
  }
  if (s.outside.value < 0) return (n - inner) / n * s.size;
  return n > island ? (n - inner) / (n - island) * s.outside : Bytes(0);
}

// The first hop of a message to another node, and a handshake for every peer.
Seconds direct_latency(const CollectiveSetting& s, double island) {
  Seconds total = s.device.collective_base + (island - 1) * s.device.all_to_all_peer;
  if (s.ranks > island) {
    // The fused dispatcher talks to the rank with its own index in every node and leaves the rest to that one.
    const double peers = s.outside.value >= 0 ? s.ranks / island - 1 : s.ranks - island;
    total += s.network.p2p_latency + peers * s.network.all_to_all_peer;
  }
  for (const Tier& tier : s.tiers) total += tier.latency;
  return total;
}

Seconds hop_time(Bytes size, const Tier& tier, const DeviceProfile& device, const NetworkProfile& network) {
  if (crosses_network(tier.link))
    return network.p2p_latency + tier.latency + size / (network.p2p_efficiency * tier.bandwidth);
  if (is_nvlink(tier.link))
    return device.collective_step + tier.latency + size / (device.reduction_efficiency * tier.bandwidth);
  return network.pcie_latency + tier.latency + size / (network.pcie_efficiency * tier.bandwidth);
}

}  // namespace

DirectTransfer all_to_all(const CollectiveSetting& s) {
  double island = 1;  // ranks that reach each other without the network
  for (const Tier& tier : s.tiers)
    if (!crosses_network(tier.link)) island *= tier.ranks;
  DirectTransfer result;
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

DirectTransfer neighbour_exchange(const CollectiveSetting& s) {
  DirectTransfer result{Seconds(-1), LinkClass::nvlink};
  for (const Tier& tier : s.tiers) {
    if (tier.ranks <= 1) continue;
    const Seconds here = hop_time(s.size, tier, s.device, s.network);
    if (here > result.time) result = {here, tier.link};
  }
  return result;
}

Seconds send_time(Bytes size, const std::vector<Tier>& tiers, const DeviceProfile& device,
                  const NetworkProfile& network) {
  return tiers.empty() ? Seconds(0) : hop_time(size, tiers.back(), device, network);
}

}  // namespace trainyard
