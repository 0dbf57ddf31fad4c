#include "models/nccl_tuner.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace trainyard {
namespace {

constexpr double unavailable = std::numeric_limits<double>::infinity();
constexpr double microsecond = 1e-6;
constexpr double gigabyte = 1e9;

// Factors of tuning.cc.
constexpr double ll_share = 0.5;         // 4 bytes of data, 4 of flag
constexpr double ll128_share = 0.92;     // 120 of 128 bytes, and what synchronising costs
constexpr double tree_share = 0.92;      // of the ring's bandwidth
constexpr double tree_ll_divisor = 3.8;  // of the tree's bandwidth
constexpr double tree_ll128_inside = 7.0 / 9;
constexpr double tree_ll128_between = 120.0 / 128;
constexpr double pat_share = 0.75;
constexpr double plateau_bytes = 64;  // per channel and rank, from which rings over nodes wait for each other
constexpr double plateau_new = 1.4;   // factor on their latency, from Ampere on
constexpr double plateau_old = 1.9;
constexpr double network_overhead = 1.0;  // microseconds a step in the node waits at least, by Intel's CPUs
constexpr double simple_overhead = 3.0;   // times that for Simple
constexpr double collnet_local = 0.4;     // microseconds per further GPU of the node
constexpr double pat_step_share = 3.5;    // PAT's steps overlap
constexpr double pat_rank = 2.8;          // microseconds per rank

struct Query {
  CollectiveKind kind;
  double bytes;
  const NcclGroup& group;
  const NcclRates& rates;
  const NcclLatencies& latencies;
  double octave = kind == CollectiveKind::all_reduce ? nccl_tree_octave(bytes) : 0.0;
};

bool reduces_all(const Query& q) { return q.kind == CollectiveKind::all_reduce; }
bool gathers_or_scatters(const Query& q) {
  return q.kind == CollectiveKind::all_gather || q.kind == CollectiveKind::reduce_scatter;
}
// Height of a tree over the nodes: whole levels as NCCL counts them, or growing with every node.
double tree_height(const Query& q) {
  const int nodes = std::max(q.group.nodes, 1);
  if (q.latencies.smooth) return std::log2(static_cast<double>(nodes));
  return std::bit_width(static_cast<unsigned>(nodes)) - 1;
}

double ring_steps(const Query& q) {
  if (reduces_all(q)) return 2.0 * (q.group.ranks - 1);
  return q.kind == CollectiveKind::broadcast ? q.group.ranks : q.group.ranks - 1.0;
}

// --- which pairs there are ---

bool protocol_available(const Query& q, NcclAlgorithm algorithm, NcclProtocol protocol) {
  if (protocol == NcclProtocol::simple) return true;
  if (algorithm != NcclAlgorithm::ring && algorithm != NcclAlgorithm::tree) return false;
  const bool network = q.group.nodes > 1;
  if (protocol == NcclProtocol::ll) return !network || q.group.ll;
  return q.group.inside == NcclHop::nvlink && (!network || q.group.ll128);
}

double rate_of(const Query& q, NcclAlgorithm algorithm) {
  const bool all_reduce = reduces_all(q);
  switch (algorithm) {
    case NcclAlgorithm::ring:
      return q.rates.ring;
    case NcclAlgorithm::tree:
      return all_reduce ? q.rates.tree : 0;
    case NcclAlgorithm::collnet_direct:
      return q.kind == CollectiveKind::broadcast ? 0 : q.rates.collnet_direct;
    case NcclAlgorithm::collnet_chain:
      return all_reduce ? q.rates.collnet_chain : 0;
    case NcclAlgorithm::nvls:
      return q.kind == CollectiveKind::broadcast ? 0 : q.rates.nvls;
    case NcclAlgorithm::nvls_tree:
      return all_reduce ? q.rates.nvls_tree : 0;
    case NcclAlgorithm::pat:
      return gathers_or_scatters(q) && q.group.per_node == 1 ? pat_share * q.rates.ring : 0;
  }
  return 0;
}

// --- bandwidth, GB/s of S ---

double ring_rate(const Query& q, NcclProtocol protocol, double bus) {
  const NcclGroup& g = q.group;
  if (protocol == NcclProtocol::ll) return std::min(nccl_ll_limit(g.generation, g.nodes), ll_share * bus);
  if (protocol == NcclProtocol::ll128)
    return std::min(ll128_share * bus, q.rates.channels * nccl_ring_ll128_limit(g.generation, g.nodes));
  return bus;
}

double tree_rate(const Query& q, NcclProtocol protocol, double bus) {
  const NcclGroup& g = q.group;
  double rate = bus;
  if (protocol == NcclProtocol::ll) rate = std::min(bus / tree_ll_divisor, nccl_ll_limit(g.generation, g.nodes));
  if (protocol == NcclProtocol::ll128)
    rate = std::min(bus * (g.nodes == 1 ? tree_ll128_inside : tree_ll128_between),
                    q.rates.channels * nccl_tree_ll128_limit(g.generation, g.nodes));
  return rate * nccl_tree_correction_at(protocol, q.octave, q.latencies.smooth);
}

double bandwidth(const Query& q, NcclAlgorithm algorithm, NcclProtocol protocol) {
  const double bus = rate_of(q, algorithm);
  if (bus <= 0) return 0;
  const double per_step = q.group.ranks / ring_steps(q);
  switch (algorithm) {
    case NcclAlgorithm::ring:
      return ring_rate(q, protocol, bus) * per_step;
    case NcclAlgorithm::tree:
      return tree_rate(q, protocol, bus) / 2;
    case NcclAlgorithm::nvls:
    case NcclAlgorithm::nvls_tree:
      return bus * per_step;
    case NcclAlgorithm::collnet_direct:
    case NcclAlgorithm::collnet_chain:
      return reduces_all(q) ? bus / 2 : bus;
    case NcclAlgorithm::pat:
      return bus;
  }
  return 0;
}

// --- latency, microseconds ---

struct Hops {
  double inside = 0;
  double between = 0;
};
Hops hops(const Query& q, NcclAlgorithm algorithm, NcclProtocol protocol) {
  const NcclLatencies& l = q.latencies;
  const NcclAlgorithm over_network =
      algorithm == NcclAlgorithm::ring && q.group.per_node == 1 ? NcclAlgorithm::tree : algorithm;
  return {l.inside * nccl_hop_latency(q.group.inside, algorithm, protocol),
          l.between * nccl_hop_latency(NcclHop::net, over_network, protocol) + l.between_added};
}

double ring_latency(const Query& q, NcclProtocol protocol, const Hops& hop) {
  const bool network = q.group.nodes > 1;
  // Of a broadcast NCCL counts the first hop only.
  if (q.kind == CollectiveKind::broadcast && !q.latencies.smooth) return network ? hop.between : hop.inside;
  const double between = !network ? 0.0 : (reduces_all(q) ? 2.0 : 1.0) * (q.group.nodes - 1);
  const double overhead = network ? network_overhead * (protocol == NcclProtocol::simple ? simple_overhead : 1.0) : 0.0;
  return (ring_steps(q) - between) * std::max(hop.inside, overhead) + between * hop.between;
}

// A ring all-reduce over nodes waits for its slowest channel once the messages fill the channels.
double plateau(const Query& q, NcclAlgorithm algorithm, NcclProtocol protocol) {
  if (algorithm != NcclAlgorithm::ring || protocol != NcclProtocol::simple || !reduces_all(q) || q.group.nodes < 2)
    return 1;
  if (q.bytes / (q.rates.channels * q.group.ranks) < plateau_bytes) return 1;
  return q.group.generation == NcclGeneration::volta ? plateau_old : plateau_new;
}

double latency(const Query& q, NcclAlgorithm algorithm, NcclProtocol protocol) {
  const Hops hop = hops(q, algorithm, protocol);
  const double base = q.latencies.inside * nccl_base_latency(algorithm, protocol);
  const double others = q.group.per_node - 1.0;
  const bool network = q.group.nodes > 1;
  switch (algorithm) {
    case NcclAlgorithm::ring:
      return (base + ring_latency(q, protocol, hop)) * plateau(q, algorithm, protocol);
    case NcclAlgorithm::tree:
      return base + 2 * (others * hop.inside + (network ? tree_height(q) * hop.between : 0.0));
    case NcclAlgorithm::collnet_direct:
      return base + 2 * (std::min(1.0, others) * hop.inside + collnet_local * others) + hop.between;
    case NcclAlgorithm::collnet_chain:
      return base + 2 * others * hop.inside + hop.between;
    case NcclAlgorithm::nvls:
      return q.latencies.multicast + (network ? hop.between : 0.0);
    case NcclAlgorithm::nvls_tree:
      return q.latencies.multicast + 2 * tree_height(q) * (q.latencies.multicast_step + q.latencies.between_added);
    case NcclAlgorithm::pat:
      return base + tree_height(q) * hop.between / pat_step_share + pat_rank * q.group.ranks;
  }
  return unavailable;
}

// --- channels ---

// A thread block is worth its while from `threads` times so many bytes on.
int busy_channels(const Query& q, NcclAlgorithm algorithm, NcclProtocol protocol) {
  constexpr double ll_bytes = 8, simple_bytes = 64;
  constexpr double ll_threads = 512, ll128_threads = 640, simple_threads = 512;
  if (algorithm == NcclAlgorithm::nvls || algorithm == NcclAlgorithm::nvls_tree) return q.rates.multicast_channels;
  double least = simple_threads * simple_bytes;
  if (protocol == NcclProtocol::ll) least = ll_threads * ll_bytes;
  if (protocol == NcclProtocol::ll && algorithm == NcclAlgorithm::ring) least *= q.group.ranks;
  if (protocol == NcclProtocol::ll128) least = ll128_threads * ll_bytes;
  return static_cast<int>(std::clamp(q.bytes / least, 1.0, static_cast<double>(std::max(q.rates.channels, 1))));
}

NcclChoice expected(const Query& q, NcclAlgorithm algorithm, NcclProtocol protocol) {
  NcclChoice choice{algorithm, protocol, 0, Seconds(unavailable), {}};
  if (!protocol_available(q, algorithm, protocol)) return choice;
  const double rate = bandwidth(q, algorithm, protocol);
  if (!(rate > 0)) return choice;
  choice.latency = Seconds(latency(q, algorithm, protocol) * microsecond);
  choice.time = choice.latency + Seconds(q.bytes / (rate * gigabyte));
  return choice;
}

// All-reduce of a node by NVLink SHARP, or one with SHARP in the network behind it.
double nvls_rate(CollectiveKind kind, const NcclGroup& g, const NcclGraph& graph) {
  const double heads = graph.channels;
  const double share = kind == CollectiveKind::all_reduce ? 2.0 : (g.per_node - 1.0) / g.per_node;
  return graph.inside * nccl_nvls_efficiency(g.generation) * (heads - 1) / heads * share;
}

}  // namespace

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

NcclChoice nccl_expected(CollectiveKind kind, Bytes size, NcclAlgorithm algorithm, NcclProtocol protocol,
                         const NcclGroup& group, const NcclRates& rates, const NcclLatencies& latencies) {
  const Query q{kind, size.value, group, rates, latencies};
  NcclChoice choice = expected(q, algorithm, protocol);
  choice.channels = busy_channels(q, algorithm, protocol);
  return choice;
}

NcclChoice fastest_nccl(CollectiveKind kind, Bytes size, const NcclGroup& group, const NcclRates& rates,
                        const NcclLatencies& latencies) {
  const Query q{kind, size.value, group, rates, latencies};
  NcclChoice best;
  best.time = Seconds(unavailable);
  for (int a = 0; a < nccl_algorithms; ++a) {
    const auto algorithm = static_cast<NcclAlgorithm>(a);
    if (rate_of(q, algorithm) <= 0) continue;
    for (int p = 0; p < nccl_protocols; ++p) {
      const NcclChoice here = expected(q, algorithm, static_cast<NcclProtocol>(p));
      if (here.time < best.time) best = here;
    }
  }
  best.channels = busy_channels(q, best.algorithm, best.protocol);
  return best;
}

NcclChoice nccl_tune(CollectiveKind kind, Bytes size, const std::vector<Tier>& tiers, const DeviceProfile& device,
                     const NetworkProfile& network) {
  const NcclGroup group = nccl_group(tiers, device, network);
  return fastest_nccl(kind, size, group, nccl_rates(kind, group, nccl_links(tiers, group.generation)), {});
}

}  // namespace trainyard
