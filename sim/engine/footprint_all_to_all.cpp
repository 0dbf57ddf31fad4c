#include <algorithm>
#include <cstddef>
#include <map>

#include "sim/engine/footprint_parts.hpp"

namespace trainyard {
namespace {

// `total` bytes of every member, in equal parts to every other one in its host.
void add_exchange(const Host& host, double total, LinkSum& sum) {
  const std::size_t k = host.members.size();
  if (k < 2) return;
  if (host.switched) {  // ports know no pairs: a ring loads them alike
    for (std::size_t i = 0; i < k; ++i) sum.path(host.members[i], host.members[(i + 1) % k], total);
    return;
  }
  for (const DeviceId a : host.members)
    for (const DeviceId b : host.members) sum.path(a, b, total / static_cast<double>(k - 1));
}

// How many members have which local index: a member's bytes take the same links to all of them outside its host, but
// for the leaf switches.
using Census = std::vector<int>;

class Outside {
 public:
  Outside(std::span<const Host> hosts, const LinkMap& links)
      : links_(links), all_(static_cast<std::size_t>(links.routes().cluster().gpus_per_node()), 0) {
    for (const Host& host : hosts)
      for (const DeviceId d : host.members) {
        ++at(all_, d);
        ++members_;
        Census& unit = by_unit_[links.unit(d)];
        unit.resize(all_.size(), 0);
        ++at(unit, d);
      }
  }
  int members() const { return members_; }

  // 1/n of S to and from every member outside the host.
  void add(const Host& host, LinkSum& sum) {
    Census elsewhere = all_;
    for (const DeviceId d : host.members) --at(elsewhere, d);
    for (const DeviceId d : host.members) {
      Census other_units = elsewhere;
      const Census& unit = by_unit_.at(links_.unit(d));
      for (std::size_t i = 0; i < unit.size(); ++i) other_units[i] -= unit[i];
      for (const DeviceId same : host.members)
        if (links_.unit(same) == links_.unit(d)) ++at(other_units, same);
      for (std::size_t peer = 0; peer < elsewhere.size(); ++peer)
        if (elsewhere[peer] > 0) add_peer(d, static_cast<int>(peer), elsewhere[peer], other_units[peer], sum);
    }
  }

 private:
  int& at(Census& census, DeviceId d) const {
    return census[static_cast<std::size_t>(links_.routes().cluster().local_index(d))];
  }
  void add_peer(DeviceId d, int peer, int count, int in_other_units, LinkSum& sum) {
    const int local = links_.routes().cluster().local_index(d);
    const double part = 1.0 / members_;
    loads_.clear();
    links_.leave(d, peer, loads_);
    links_.arrive(d, peer, loads_);
    sum.add(loads_, count * part);
    loads_.clear();
    links_.leave_leaf(d, peer, loads_);
    sum.add(loads_, crossing(local, peer, count, in_other_units) * part);
    loads_.clear();
    links_.arrive_leaf(d, peer, loads_);
    sum.add(loads_, crossing(peer, local, count, in_other_units) * part);
  }
  int crossing(int from, int to, int count, int in_other_units) const {
    if (links_.leaves_leaf(from, to, true)) return count;
    return links_.leaves_leaf(from, to, false) ? in_other_units : 0;
  }

  const LinkMap& links_;
  int members_ = 0;
  Census all_;
  std::map<int, Census> by_unit_;
  std::vector<LinkLoad> loads_;
};

// Share of the other hosts that stand in other units.
double share_in_other_units(std::span<const Host> hosts, const Host& host, const LinkMap& links,
                            std::map<int, int>& hosts_of_unit) {
  if (hosts_of_unit.empty())
    for (const Host& h : hosts) ++hosts_of_unit[links.unit(h.members.front())];
  const double others = static_cast<double>(hosts.size()) - hosts_of_unit[links.unit(host.members.front())];
  return others / static_cast<double>(hosts.size() - 1);
}

// Every member's bytes over its own rail.
void add_own_rails(const Host& host, double bytes, double across_leaves, LinkSum& sum) {
  const LinkMap& links = sum.links();
  std::vector<LinkLoad> loads;
  for (const DeviceId d : host.members) {
    const int local = links.routes().cluster().local_index(d);
    loads.clear();
    links.leave(d, local, loads);
    links.arrive(d, local, loads);
    sum.add(loads, bytes);
    if (!links.leaves_leaf(local, local, false)) continue;
    loads.clear();
    links.leave_leaf(d, local, loads);
    links.arrive_leaf(d, local, loads);
    sum.add(loads, bytes * across_leaves);
  }
}

}  // namespace

void add_pairwise(std::span<const Host> hosts, LinkSum& sum) {
  Outside outside(hosts, sum.links());
  for (const Host& host : hosts) {
    add_exchange(host, static_cast<double>(host.members.size() - 1) / outside.members(), sum);
    if (hosts.size() > 1) outside.add(host, sum);
  }
}

void add_two_hop(double outside, std::span<const Host> hosts, LinkSum& sum) {
  std::size_t members = 0;
  for (const Host& host : hosts) members += host.members.size();
  std::map<int, int> hosts_of_unit;
  for (const Host& host : hosts) {
    const double k = static_cast<double>(host.members.size());
    add_exchange(host, (k - 1.0) / k, sum);
    if (hosts.size() < 2) return;
    const double leaving = outside >= 0 ? outside : 1.0 - k / static_cast<double>(members);
    add_own_rails(host, leaving, share_in_other_units(hosts, host, sum.links(), hosts_of_unit), sum);
  }
}

}  // namespace trainyard
