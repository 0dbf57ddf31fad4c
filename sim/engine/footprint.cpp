#include "sim/engine/footprint.hpp"

#include <algorithm>
#include <cstddef>

#include "sim/engine/footprint_parts.hpp"

namespace trainyard {
namespace {

bool less_link(const LinkUse& a, const LinkUse& b) { return a.link < b.link; }

// Linear in the range of links, where that is not much longer than the list.
std::vector<LinkUse> merged_by_table(const std::vector<LinkUse>& uses, int first, int last) {
  std::vector<double> bytes(static_cast<std::size_t>(last - first) + 1, 0.0);
  for (const LinkUse& use : uses) bytes[static_cast<std::size_t>(use.link - first)] += use.bytes;
  std::vector<LinkUse> merged;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (bytes[i] > 0) merged.push_back({first + static_cast<int>(i), bytes[i]});
  return merged;
}

std::vector<LinkUse> merged_by_sorting(std::vector<LinkUse> uses) {
  std::stable_sort(uses.begin(), uses.end(), less_link);
  std::vector<LinkUse> merged;
  for (const LinkUse& use : uses) {
    if (use.bytes <= 0) continue;
    if (!merged.empty() && merged.back().link == use.link)
      merged.back().bytes += use.bytes;
    else
      merged.push_back(use);
  }
  return merged;
}

// NCCL's own names have hyphens or underscores, depending on where it prints them.
bool called(std::string_view algorithm, std::string_view name) {
  return std::equal(algorithm.begin(), algorithm.end(), name.begin(), name.end(),
                    [](char a, char b) { return (a == '_' ? '-' : a) == b; });
}

void add_all_to_all(std::string_view algorithm, double outside, std::span<const Host> hosts, LinkSum& sum) {
  if (called(algorithm, "two-hop")) return add_two_hop(outside, hosts, sum);
  if (called(algorithm, "rail") || called(algorithm, "hierarchical")) return add_two_hop(-1.0, hosts, sum);
  add_pairwise(hosts, sum);
}

void add_collective(CollectiveKind kind, std::string_view algorithm, std::span<const Host> hosts, LinkSum& sum) {
  const bool all_reduce = kind == CollectiveKind::all_reduce;
  const bool gathers = kind == CollectiveKind::all_gather || kind == CollectiveKind::reduce_scatter;
  const bool nvls = called(algorithm, "nvls");
  const bool collnet = called(algorithm, "collnet-direct") || called(algorithm, "collnet-chain");
  if (called(algorithm, "tree") && !gathers) return add_tree(kind, hosts, sum);
  if (called(algorithm, "pat") && gathers) return add_pat(kind, hosts, sum);
  if (!nvls && !collnet && !called(algorithm, "nvls-tree") && !called(algorithm, "hierarchical"))
    return add_ring(kind, hosts, sum);
  const bool by_switch = nvls || called(algorithm, "nvls-tree");
  add_inside(kind, by_switch ? Inside::nvls : Inside::ring, hosts, sum);
  if (all_reduce && (nvls || collnet))  // NVLS reaches other nodes through the fabric's own reduction only
    add_fabric_reduction(hosts, sum);
  else
    add_rails(kind, hosts, sum);
}

}  // namespace

std::vector<LinkUse> LinkSum::uses() && {
  if (uses_.empty()) return {};
  const auto [first, last] = std::minmax_element(uses_.begin(), uses_.end(), less_link);
  constexpr std::size_t sparse = 16;  // entries of an empty table cost about that much less than sorting one use
  const auto range = static_cast<std::size_t>(last->link - first->link);
  if (range / sparse < uses_.size()) return merged_by_table(uses_, first->link, last->link);
  return merged_by_sorting(std::move(uses_));
}

std::vector<LinkUse> collective_footprint(CollectiveKind kind, std::string_view algorithm, double outside,
                                          std::span<const DeviceId> members, const LinkMap& links) {
  if (members.size() < 2) return {};
  const std::vector<Host> hosts = hosts_of(members, links);
  LinkSum sum(links);
  if (kind == CollectiveKind::all_to_all)
    add_all_to_all(algorithm, outside, hosts, sum);
  else if (kind == CollectiveKind::send_receive)
    add_neighbours(hosts, sum);
  else
    add_collective(kind, algorithm, hosts, sum);
  return std::move(sum).uses();
}

std::vector<LinkUse> send_footprint(DeviceId from, DeviceId to, const LinkMap& links) {
  LinkSum sum(links);
  sum.path(from, to, 1.0);
  return std::move(sum).uses();
}

}  // namespace trainyard
