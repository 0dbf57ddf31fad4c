#include <cstddef>
#include <set>

#include "sim/engine/footprint_parts.hpp"

namespace trainyard {
namespace {

// Bytes through every member's port of the NVSwitch.
void add_ports(const Host& host, double out, double in, LinkSum& sum) {
  std::vector<LinkLoad> ports;
  for (std::size_t i = 0; i < host.members.size(); ++i) {
    ports.clear();
    sum.links().path(host.members[i], host.members[(i + 1) % host.members.size()], ports);
    for (const LinkLoad& port : ports)
      sum.add(port.link, sum.links().link(port.link).kind == SharedLinkKind::nvlink_out ? out : in);
  }
}

// NVLink SHARP. All-reduce: the switch reads all of S from every GPU and hands 1/k of the sum to each, which writes it
// back once to be multicast. Gather: a GPU writes its 1/k, the switch multicasts it; scatter: the reverse.
void add_nvls(CollectiveKind kind, const Host& host, LinkSum& sum) {
  const double k = static_cast<double>(host.members.size());
  const double whole = kind == CollectiveKind::all_reduce ? 1.0 + 1.0 / k : (k - 1.0) / k;
  const double part = kind == CollectiveKind::all_reduce ? whole : 1.0 / k;
  const bool reads = kind == CollectiveKind::reduce_scatter;
  add_ports(host, reads ? whole : part, reads ? part : whole, sum);
}

}  // namespace

void add_inside(CollectiveKind kind, Inside inside, std::span<const Host> hosts, LinkSum& sum) {
  for (const Host& host : hosts) {
    const std::size_t k = host.members.size();
    if (k < 2) continue;
    if (inside == Inside::nvls && host.switched)
      add_nvls(kind, host, sum);
    else
      add_chain(host, Chain::closed, ring_factor(kind, k), 0.0, sum);
  }
}

void add_rails(CollectiveKind kind, std::span<const Host> hosts, LinkSum& sum) {
  if (hosts.size() < 2) return;
  const double bytes = ring_factor(kind, hosts.size());
  for (std::size_t h = 0; h < hosts.size(); ++h)
    couple(rails(hosts[h]), rails(hosts[(h + 1) % hosts.size()]),
           [&](DeviceId from, DeviceId to, double share) { sum.path(from, to, share * bytes); });
}

void add_fabric_reduction(std::span<const Host> hosts, LinkSum& sum) {
  if (hosts.size() < 2) return;
  const LinkMap& links = sum.links();
  std::set<int> units;
  for (const Host& host : hosts) units.insert(links.unit(host.members.front()));
  std::set<int> seen;
  std::vector<LinkLoad> loads;
  for (const Host& host : hosts) {
    // A leaf sends up what it has reduced, once for all its nodes.
    const bool climbs = seen.insert(links.unit(host.members.front())).second && units.size() > 1;
    for (const Lane& rail : rails(host)) {
      const int local = links.routes().cluster().local_index(rail.member);
      loads.clear();
      links.leave(rail.member, local, loads);
      links.arrive(rail.member, local, loads);
      if (climbs) {
        links.leave_leaf(rail.member, local, loads);
        links.arrive_leaf(rail.member, local, loads);
      }
      sum.add(loads, rail.share);
    }
  }
}

}  // namespace trainyard
