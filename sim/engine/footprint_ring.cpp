#include <cstddef>
#include <optional>

#include "sim/engine/footprint_parts.hpp"

namespace trainyard {
namespace {

std::size_t member_count(std::span<const Host> hosts) {
  std::size_t n = 0;
  for (const Host& host : hosts) n += host.members.size();
  return n;
}

// Per member the share of the channels whose chain takes the step to the next member, as its exit does not.
std::vector<double> step_shares(const Host& host, Chain chain) {
  std::vector<double> shares(host.members.size(), 1.0);
  if (chain == Chain::closed) return shares;
  for (std::size_t i = 0; i < shares.size(); ++i)
    for (const Lane& exit : host.exits)
      if (exit.member == host.members[i]) shares[i] -= exit.share;
  return shares;
}

// On point-to-point NVLinks many rings run at once over different links.
void add_rings_of_mesh(const Host& host, double bytes, LinkSum& sum) {
  const std::size_t k = host.members.size();
  for (std::size_t a = 0; a < k; ++a)
    for (std::size_t b = 0; b < k; ++b)
      if (const double share = host.ring_share[a * k + b]; share > 0)
        sum.path(host.members[a], host.members[b], share * bytes);
}

// The parent of a rank in NCCL's binary tree (ncclGetBtree): ranks alternate between leaves and inner nodes.
std::optional<std::size_t> parent_in_tree(std::size_t rank, std::size_t ranks) {
  if (rank == 0) return std::nullopt;
  const std::size_t bit = rank & (~rank + 1);
  const std::size_t up = (rank ^ bit) | (bit << 1U);
  return up < ranks ? up : rank ^ bit;
}

// The second tree (ncclGetDtree), in which leaves and inner nodes change places: mirrored, or shifted by one if the
// ranks are odd.
std::optional<std::size_t> parent_in_second_tree(std::size_t rank, std::size_t ranks) {
  const bool odd = ranks % 2 == 1;
  const std::size_t as_first = odd ? (rank + ranks - 1) % ranks : ranks - 1 - rank;
  const std::optional<std::size_t> up = parent_in_tree(as_first, ranks);
  if (!up) return up;
  return odd ? (*up + 1) % ranks : ranks - 1 - *up;
}

// Blocks that pass between ranks `distance` apart when n blocks travel binomial trees: offsets below n whose lowest set
// bit is the distance.
std::size_t blocks_at(std::size_t distance, std::size_t n) { return (n - 1) / distance - (n - 1) / (2 * distance); }

}  // namespace

double ring_factor(CollectiveKind kind, std::size_t n) {
  if (kind == CollectiveKind::send_receive) return 1.0;
  const double part = static_cast<double>(n - 1) / static_cast<double>(n);
  return kind == CollectiveKind::all_reduce ? 2.0 * part : part;
}

void add_chain(const Host& host, Chain chain, double forward, double backward, LinkSum& sum) {
  const std::size_t k = host.members.size();
  if (k < 2) return;
  const std::vector<double> shares = step_shares(host, chain);
  if (!host.ring_share.empty()) {
    double steps = 0;
    for (const double share : shares) steps += share;
    add_rings_of_mesh(host, (forward + backward) * steps / static_cast<double>(k), sum);
    return;
  }
  for (std::size_t i = 0; i < k; ++i) {
    const DeviceId next = host.members[(i + 1) % k];
    if (forward > 0) sum.path(host.members[i], next, forward * shares[i]);
    if (backward > 0) sum.path(next, host.members[i], backward * shares[i]);
  }
}

void add_ring(CollectiveKind kind, std::span<const Host> hosts, LinkSum& sum) {
  const double bytes = ring_factor(kind, member_count(hosts));
  if (hosts.size() == 1) return add_chain(hosts.front(), Chain::closed, bytes, 0.0, sum);
  for (std::size_t h = 0; h < hosts.size(); ++h) {
    add_chain(hosts[h], Chain::open, bytes, 0.0, sum);
    couple(hosts[h].exits, hosts[(h + 1) % hosts.size()].entries,
           [&](DeviceId from, DeviceId to, double share) { sum.path(from, to, share * bytes); });
  }
}

void add_tree(CollectiveKind kind, std::span<const Host> hosts, LinkSum& sum) {
  const double up = kind == CollectiveKind::all_reduce ? 1.0 : 0.0;
  const std::size_t n = hosts.size();
  if (n == 1) return add_ring(kind, hosts, sum);  // every channel's chain starts elsewhere: as much as a ring
  for (const Host& host : hosts) add_chain(host, Chain::open, up, 1.0, sum);
  for (std::size_t h = 0; h < n; ++h)
    for (const std::optional<std::size_t> parent : {parent_in_tree(h, n), parent_in_second_tree(h, n)}) {
      if (!parent) continue;
      // Half of the bytes for each tree.
      couple(hosts[h].exits, hosts[*parent].exits, [&](DeviceId child, DeviceId above, double share) {
        if (up > 0) sum.path(child, above, share * up / 2.0);
        sum.path(above, child, share / 2.0);
      });
    }
}

void add_pat(CollectiveKind kind, std::span<const Host> hosts, LinkSum& sum) {
  std::vector<DeviceId> ranks;
  for (const Host& host : hosts) ranks.insert(ranks.end(), host.members.begin(), host.members.end());
  const std::size_t n = ranks.size();
  for (std::size_t distance = 1; distance < n; distance *= 2) {
    const double bytes = static_cast<double>(blocks_at(distance, n)) / static_cast<double>(n);
    for (std::size_t r = 0; r < n; ++r) {
      const DeviceId near = ranks[r];
      const DeviceId far = ranks[(r + distance) % n];
      if (kind == CollectiveKind::reduce_scatter)
        sum.path(far, near, bytes);
      else
        sum.path(near, far, bytes);
    }
  }
}

void add_neighbours(std::span<const Host> hosts, LinkSum& sum) {
  for (std::size_t h = 0; h < hosts.size(); ++h) {
    const std::vector<DeviceId>& members = hosts[h].members;
    for (std::size_t i = 1; i < members.size(); ++i) sum.path(members[i - 1], members[i], 1.0);
    sum.path(members.back(), hosts[(h + 1) % hosts.size()].members.front(), 1.0);
  }
}

}  // namespace trainyard
