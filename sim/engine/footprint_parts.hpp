// The algorithms behind collective_footprint: each adds its bytes per byte of S.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "models/operators.hpp"
#include "sim/engine/footprint.hpp"
#include "sim/engine/footprint_hosts.hpp"

namespace trainyard {

// Adds up bytes per link.
class LinkSum {
 public:
  explicit LinkSum(const LinkMap& links) : links_(&links) {}
  const LinkMap& links() const { return *links_; }
  void add(int link, double bytes) { uses_.push_back({link, bytes}); }
  void add(const std::vector<LinkLoad>& loads, double bytes) {
    for (const LinkLoad& load : loads) add(load.link, load.share * bytes);
  }
  void path(DeviceId a, DeviceId b, double bytes) {
    loads_.clear();
    links_->path(a, b, loads_);
    add(loads_, bytes);
  }
  std::vector<LinkUse> uses() &&;  // each link once, ascending, none without bytes

 private:
  const LinkMap* links_;
  std::vector<LinkUse> uses_;
  std::vector<LinkLoad> loads_;
};

// Bytes a member of a ring of n sends, per byte of S: 2(n-1)/n of an all-reduce, 1 of a send-receive, (n-1)/n else.
double ring_factor(CollectiveKind kind, std::size_t n);

// The host's ring order, `forward` bytes along it and `backward` against it. Open: each channel's chain leaves out the
// step behind its exit. Closed: the ring of a host by itself.
enum class Chain { open, closed };
void add_chain(const Host& host, Chain chain, double forward, double backward, LinkSum& sum);

void add_ring(CollectiveKind kind, std::span<const Host> hosts, LinkSum& sum);
// NCCL's double binary tree over hosts, a chain inside each.
void add_tree(CollectiveKind kind, std::span<const Host> hosts, LinkSum& sum);
// Parallel aggregated trees: rank r's share travels the binomial tree rooted at r, far ranks first.
void add_pat(CollectiveKind kind, std::span<const Host> hosts, LinkSum& sum);
// Every member to the next in ring order, all the way round.
void add_neighbours(std::span<const Host> hosts, LinkSum& sum);

// Inside every host: NVLink SHARP where all members are on one NVSwitch, or a ring.
enum class Inside { ring, nvls };
void add_inside(CollectiveKind kind, Inside inside, std::span<const Host> hosts, LinkSum& sum);
// Across hosts: each member's S/k runs round its rail.
void add_rails(CollectiveKind kind, std::span<const Host> hosts, LinkSum& sum);
// Across hosts, all-reduce in the fabric's switches: each member's S/k goes up once and comes down once.
void add_fabric_reduction(std::span<const Host> hosts, LinkSum& sum);

void add_pairwise(std::span<const Host> hosts, LinkSum& sum);
// `outside` of S to the same rail of other hosts, (k-1)/k S inside. Negative: what uniform traffic sends outside.
void add_two_hop(double outside, std::span<const Host> hosts, LinkSum& sum);

}  // namespace trainyard
