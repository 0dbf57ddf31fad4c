// The graph that NCCL's search finds, without the search: on a symmetric machine it is the fastest ladder speed for
// which whole channels fit the links. And the bandwidths that the tuner takes from it.
#include <algorithm>
#include <cmath>
#include <limits>

#include "models/nccl_tuner.hpp"

namespace trainyard {
namespace {

constexpr double gigabyte = 1e9;
constexpr int most_rings = 16;            // half of NCCL's 32 channels: every ring may be doubled
constexpr int multicast_heads = 8;        // GPUs that each reduce a part over NVLink SHARP
constexpr double tree_share = 0.92;       // tuning.cc: of the ring's bandwidth
constexpr double doubled_from = 25.0;     // GB/s of a channel above which NCCL splits it into two
constexpr double rounding_slack = 1.001;  // a link of 721.8 GB/s carries 8 channels of 90.2

bool crosses_network(LinkClass link) { return link == LinkClass::net || link == LinkClass::spine; }

// Highest speed of the ladder within the limit; the lowest of all where none is.
double ladder_speed(std::span<const double> ladder, double limit) {
  for (const double speed : ladder)
    if (speed <= limit * rounding_slack) return speed;
  return std::min(ladder.back(), limit);
}

NcclGraph doubled(NcclGraph graph) {
  if (graph.inside < doubled_from) return graph;
  return {2 * graph.channels, graph.inside / 2, graph.between / 2};
}

NcclGraph ring_in_node(const NcclGroup& group, const NcclLinks& links) {
  NcclGraph best;
  for (const double speed : nccl_intra_speeds(group.generation)) {
    const int fitting = static_cast<int>(std::min<double>(most_rings, links.inside * rounding_slack / speed));
    if (fitting * speed > best.channels * best.inside) best = {fitting, speed, speed};
    if (fitting == most_rings) break;  // slower ones are no more
  }
  if (best.channels > 0) return doubled(best);
  return {1, links.inside, links.inside};  // slower than the slowest of the ladder
}

// A channel enters and leaves the node by every rank's NIC.
NcclGraph ring_over_nodes(const NcclGroup& group, const NcclLinks& links) {
  const double fitting = std::min(links.network, links.inside / group.per_node);
  const double speed = ladder_speed(nccl_inter_speeds(group.generation), fitting);
  return doubled({std::min(group.per_node, most_rings), speed, speed});
}

double as_nccl_counts(const Tier& tier, NcclGeneration generation) {
  const double nominal = tier.bandwidth.value / gigabyte;
  if (crosses_network(tier.link)) return nominal;
  const bool nvlink = tier.link == LinkClass::nvlink || tier.link == LinkClass::c2c;
  return nominal * (nvlink ? nccl_nvlink_share(generation) : nccl_pcie_share);
}

// All-reduce of a node by NVLink SHARP, or one with SHARP in the network behind it.
double nvls_rate(CollectiveKind kind, const NcclGroup& g, const NcclGraph& graph) {
  const double heads = graph.channels;
  const double share = kind == CollectiveKind::all_reduce ? 2.0 : (g.per_node - 1.0) / g.per_node;
  return graph.inside * nccl_nvls_efficiency(g.generation) * (heads - 1) / heads * share;
}

}  // namespace

NcclGroup nccl_group(const std::vector<Tier>& tiers, const DeviceProfile& device, const NetworkProfile& network) {
  NcclGroup group;
  group.generation = nccl_generation(device.compute_capability);
  group.ll = network.ll_protocol;
  group.ll128 = network.ll128_protocol;
  group.in_network_reduction = network.in_network_reduction;
  bool all_multicast = true;
  for (const Tier& tier : tiers) {
    group.ranks *= tier.ranks;
    if (crosses_network(tier.link)) {
      group.nodes *= tier.ranks;
      continue;
    }
    group.per_node *= tier.ranks;
    if (tier.ranks < 2) continue;
    all_multicast = all_multicast && tier.multicast;
    if (tier.link != LinkClass::nvlink && tier.link != LinkClass::c2c) group.inside = NcclHop::pci;
  }
  group.multicast = all_multicast && group.per_node > 1;
  return group;
}

NcclLinks nccl_links(const std::vector<Tier>& tiers, NcclGeneration generation) {
  constexpr double unlimited = std::numeric_limits<double>::infinity();
  NcclLinks links{unlimited, unlimited};
  double inner = 1;
  double per_node = 1;
  for (const Tier& tier : tiers) {
    const double here = inner * as_nccl_counts(tier, generation);
    if (crosses_network(tier.link)) {
      links.network = std::min(links.network, here / per_node);
    } else {
      if (tier.ranks > 1) links.inside = std::min(links.inside, here);
      per_node *= tier.ranks;
    }
    inner *= tier.ranks;
  }
  return links;
}

NcclGraph nccl_ring_graph(const NcclGroup& group, const NcclLinks& links) {
  return group.nodes > 1 ? ring_over_nodes(group, links) : ring_in_node(group, links);
}

NcclGraph nccl_multicast_graph(const NcclGroup& group, const NcclLinks& links) {
  const int heads = std::min(group.per_node, multicast_heads);
  const double inside = ladder_speed(nccl_intra_speeds(group.generation), links.inside / heads);
  const double between =
      group.nodes > 1 ? ladder_speed(nccl_inter_speeds(group.generation), links.network * group.per_node / heads) : 0.0;
  return {heads, inside, between};
}

int nccl_multicast_channels(const NcclGroup& g) {
  constexpr int hopper = 16, blackwell = 24, blackwell_over_nodes = 32;
  if (g.generation != NcclGeneration::blackwell) return hopper;
  return g.nodes > 1 ? blackwell_over_nodes : blackwell;
}

NcclRates nccl_rates(CollectiveKind kind, const NcclGroup& g, const NcclLinks& links) {
  const NcclGraph ring = nccl_ring_graph(g, links);
  NcclRates rates;
  rates.channels = ring.channels;
  rates.ring = ring.channels * (g.nodes <= 2 ? ring.inside : ring.between);
  rates.tree = std::min(tree_share * rates.ring, ring.channels * nccl_tree_limit(g.generation, g.nodes));
  rates.multicast_channels = nccl_multicast_channels(g);
  const NcclGraph heads = nccl_multicast_graph(g, links);
  const bool multicast = g.multicast && heads.channels >= 2;
  const double nvls = multicast ? nvls_rate(kind, g, heads) : 0.0;
  if (g.nodes == 1) {
    rates.nvls = heads.channels * nvls;
    return rates;
  }
  const double tree = std::min(heads.between * (g.nodes == 2 ? 2.0 : 1.0), nccl_nvls_tree_limit(g.generation, g.nodes));
  rates.nvls_tree = heads.channels * std::min(nvls, tree);
  if (!g.in_network_reduction) return rates;
  rates.nvls = heads.channels * std::min(nvls, heads.between);
  rates.collnet_chain = heads.channels * heads.between;
  if (multicast) {
    const double spread = (static_cast<double>(g.per_node) / heads.channels + 1) / 2;
    const double shared = g.generation >= NcclGeneration::hopper ? 0.85 : 1.0;
    rates.collnet_direct = kind == CollectiveKind::all_reduce
                               ? shared * rates.collnet_chain / spread
                               : g.per_node * std::min(heads.inside, 0.9 * heads.between);
  }
  return rates;
}

}  // namespace trainyard
