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

// Height of a tree over the nodes: whole levels as NCCL counts them, or growing with every node.
double tree_height(int nodes, bool smooth) {
  if (nodes <= 1) return 0;
  if (smooth) return std::log2(static_cast<double>(nodes));
  return std::bit_width(static_cast<unsigned>(nodes)) - 1;
}

bool grows(const NcclGroup& group, const NcclLatencies& latencies) {
  return group.nodes > 1 && latencies.message_growth > 0;
}

// log2(S / 64 B) where something depends on it, whole where NCCL's own table is meant.
double size_octave(CollectiveKind kind, double bytes, const NcclGroup& group, const NcclLatencies& latencies) {
  if (kind != CollectiveKind::all_reduce && !grows(group, latencies)) return 0;
  return latencies.smooth ? nccl_tree_octave(bytes) : std::ilogb(bytes / nccl_tree_corrected_from);
}

double steps_of_ring(CollectiveKind kind, int ranks) {
  if (kind == CollectiveKind::all_reduce) return 2.0 * (ranks - 1);
  return kind == CollectiveKind::broadcast ? ranks : ranks - 1.0;
}

struct Query {
  CollectiveKind kind;
  double bytes;
  const NcclGroup& group;
  const NcclRates& rates;
  const NcclLatencies& latencies;
  double octave = size_octave(kind, bytes, group, latencies);
  double rank_octave = grows(group, latencies) ? std::log2(static_cast<double>(group.ranks)) : 0.0;
  double height = tree_height(group.nodes, latencies.smooth);
  double ring_steps = steps_of_ring(kind, group.ranks);
  double per_step = group.ranks / ring_steps;
};

bool reduces_all(const Query& q) { return q.kind == CollectiveKind::all_reduce; }
bool gathers_or_scatters(const Query& q) {
  return q.kind == CollectiveKind::all_gather || q.kind == CollectiveKind::reduce_scatter;
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

double bandwidth(const Query& q, NcclAlgorithm algorithm, NcclProtocol protocol, double bus) {
  switch (algorithm) {
    case NcclAlgorithm::ring:
      return ring_rate(q, protocol, bus) * q.per_step;
    case NcclAlgorithm::tree:
      return tree_rate(q, protocol, bus) / 2;
    case NcclAlgorithm::nvls:
    case NcclAlgorithm::nvls_tree:
      return bus * q.per_step;
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

// A message of n ranks passes n - 1 of the n edges of the ring. NCCL counts nodes - 1 of them between nodes; unless it
// starts behind such an edge it passes all of them, one per node.
double ring_crossings(const Query& q) {
  if (q.group.nodes < 2) return 0;
  const bool into_every_node = q.latencies.smooth && q.group.per_node > 1;
  return (reduces_all(q) ? 2.0 : 1.0) * (q.group.nodes - (into_every_node ? 0 : 1));
}

// Messages between nodes take longer as they grow well before the bandwidth tells. message_octave: log2(message / 64 B)
double growth(const Query& q, double message_octave, double passes) {
  constexpr double flat_octaves = 4, most_doublings = 16;  // up to 1 KiB; from 64 MiB on the bandwidth has it
  if (!grows(q.group, q.latencies) || !(message_octave > flat_octaves)) return 0;
  return passes * q.latencies.message_growth * std::min(message_octave - flat_octaves, most_doublings);
}

double ring_latency(const Query& q, NcclProtocol protocol, const Hops& hop) {
  const bool network = q.group.nodes > 1;
  // Of a broadcast NCCL counts the first hop only.
  if (q.kind == CollectiveKind::broadcast && !q.latencies.smooth) return network ? hop.between : hop.inside;
  const double between = ring_crossings(q);
  const double overhead = network ? network_overhead * (protocol == NcclProtocol::simple ? simple_overhead : 1.0) : 0.0;
  return (q.ring_steps - between) * std::max(hop.inside, overhead) + between * hop.between;
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
      return (base + ring_latency(q, protocol, hop)) * plateau(q, algorithm, protocol) +
             growth(q, q.octave - q.rank_octave, reduces_all(q) ? 2 : 1);
    case NcclAlgorithm::tree:
      return base + 2 * (others * hop.inside + q.height * hop.between) + growth(q, q.octave, 2 * q.height);
    case NcclAlgorithm::collnet_direct:
      return base + 2 * (std::min(1.0, others) * hop.inside + collnet_local * others) + hop.between;
    case NcclAlgorithm::collnet_chain:
      return base + 2 * others * hop.inside + hop.between;
    case NcclAlgorithm::nvls:
      return q.latencies.multicast + (network ? hop.between : 0.0);
    case NcclAlgorithm::nvls_tree:
      return q.latencies.multicast + 2 * q.height * (q.latencies.multicast_step + q.latencies.between_added) +
             growth(q, q.octave, 2 * q.height);
    case NcclAlgorithm::pat:
      return base + q.height * hop.between / pat_step_share + pat_rank * q.group.ranks;
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

// bus: rate_of the algorithm. No time if it is not less than `limit`.
NcclChoice expected(const Query& q, NcclAlgorithm algorithm, NcclProtocol protocol, double bus, Seconds limit) {
  NcclChoice choice{algorithm, protocol, 0, Seconds(unavailable), {}};
  if (!(bus > 0) || !protocol_available(q, algorithm, protocol)) return choice;
  choice.latency = Seconds(latency(q, algorithm, protocol) * microsecond);
  if (!(choice.latency < limit)) return choice;
  const double rate = bandwidth(q, algorithm, protocol, bus);
  if (!(rate > 0)) return choice;
  choice.time = choice.latency + Seconds(q.bytes / (rate * gigabyte));
  return choice;
}

}  // namespace

NcclChoice nccl_expected(CollectiveKind kind, Bytes size, NcclAlgorithm algorithm, NcclProtocol protocol,
                         const NcclGroup& group, const NcclRates& rates, const NcclLatencies& latencies) {
  const Query q{kind, size.value, group, rates, latencies};
  NcclChoice choice = expected(q, algorithm, protocol, rate_of(q, algorithm), Seconds(unavailable));
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
    const double bus = rate_of(q, algorithm);
    if (!(bus > 0)) continue;
    const bool simple_only = algorithm != NcclAlgorithm::tree && algorithm != NcclAlgorithm::ring;
    for (int p = simple_only ? nccl_protocols - 1 : 0; p < nccl_protocols; ++p) {
      const NcclChoice here = expected(q, algorithm, static_cast<NcclProtocol>(p), bus, best.time);
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
