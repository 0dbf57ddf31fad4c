#include "models/collective_curve.hpp"

#include <algorithm>
#include <string_view>

#include "models/collective_cost.hpp"

namespace trainyard {
namespace {

// Below three ranks NCCL does not use NVLink SHARP.
constexpr int fewest_multicast_ranks = 3;

// The profile's latency of a ring, of which only ratios are used.
Seconds ring_latency(CollectiveKind kind, int ranks, const DeviceProfile& device) {
  const double hops = ranks - 1;
  if (kind == CollectiveKind::all_to_all) return device.collective_base + hops * device.all_to_all_peer;
  const double rounds = kind == CollectiveKind::all_reduce ? 1.0 : 0.5;
  return device.collective_base + rounds * hops * device.collective_step;
}

Seconds continued(const CollectiveCurve& curve, CollectiveKind kind, Bytes size, const Tier& tier,
                  const DeviceProfile& device) {
  double scale = bus_factor(kind, tier.ranks) / bus_factor(kind, curve.ranks);
  if (curve.measured_at.value > 0) scale *= curve.measured_at / tier.bandwidth;
  const Seconds time = regime_time(curve.regimes, scale * size);
  const Seconds measured = ring_latency(kind, curve.ranks, device);
  if (curve.ranks == tier.ranks || measured.value <= 0) return time;
  const double growth = ring_latency(kind, tier.ranks, device) / measured - 1.0;
  const Seconds grown = time + growth * curve.regimes.front().latency;
  // A curve written by hand may fall with size; a smaller group still takes no less than its share.
  return growth < 0 ? std::max(grown, (1.0 + growth) * time) : grown;
}

// NVLink SHARP of more GPUs than were measured: every GPU still sends S once and receives it once, so S / t stays, but
// all of them wait for each other. 7 us per GPU: nccl-tests on 72 GB200, 0.5 GB to 8 GB, against 4.
constexpr Seconds multicast_wait{7e-6};
Seconds continued_in_switch(const CollectiveCurve& curve, Bytes size, const Tier& tier) {
  const double scale = curve.measured_at.value > 0 ? curve.measured_at / tier.bandwidth : 1.0;
  const double more = tier.ranks - curve.ranks;
  return regime_time(curve.regimes, scale * size) + more * multicast_wait;
}

struct Neighbours {
  const CollectiveCurve* below = nullptr;  // of at most the group's ranks
  const CollectiveCurve* above = nullptr;  // of at least them
};
Neighbours neighbours(std::string_view operation, int ranks, const DeviceProfile& device) {
  Neighbours found;
  for (const CollectiveCurve& curve : device.nvlink_collectives) {
    if (curve.operation != operation || curve.ranks < 2 || curve.regimes.empty()) continue;
    if (curve.ranks <= ranks && (!found.below || curve.ranks > found.below->ranks)) found.below = &curve;
    if (curve.ranks >= ranks && (!found.above || curve.ranks < found.above->ranks)) found.above = &curve;
  }
  return found;
}

}  // namespace

std::string_view curve_operation(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::all_reduce:
      return "all_reduce";
    case CollectiveKind::all_gather:
      return "all_gather";
    case CollectiveKind::reduce_scatter:
      return "reduce_scatter";
    case CollectiveKind::all_to_all:
      return "all_to_all";
    case CollectiveKind::broadcast:
    case CollectiveKind::send_receive:
      return {};
  }
  return {};
}

Seconds regime_time(const std::vector<CollectiveRegime>& regimes, Bytes size) {
  const CollectiveRegime* regime = &regimes.front();
  for (const CollectiveRegime& next : regimes)
    if (next.from <= size) regime = &next;
  return regime->latency + size / regime->bandwidth;
}

std::optional<Seconds> measured_collective_time(CollectiveKind kind, Bytes size, const Tier& tier,
                                                const DeviceProfile& device) {
  if (device.nvlink_collectives.empty() || tier.link != LinkClass::nvlink || tier.ranks < 2) return std::nullopt;
  if (kind == CollectiveKind::all_reduce && device.multicast_gain > 1 && !tier.multicast &&
      tier.ranks >= fewest_multicast_ranks)
    return std::nullopt;  // the curve is that of NVLink SHARP
  const Neighbours near = neighbours(curve_operation(kind), tier.ranks, device);
  if (!near.below && !near.above) return std::nullopt;
  if (!near.below) return continued(*near.above, kind, size, tier, device);
  if (near.above == near.below) return continued(*near.below, kind, size, tier, device);
  if (!near.above) {
    const Seconds ring = continued(*near.below, kind, size, tier, device);
    const bool in_switch = kind == CollectiveKind::all_reduce && tier.multicast && device.multicast_gain > 1 &&
                           near.below->ranks >= fewest_multicast_ranks;
    return in_switch ? std::min(ring, continued_in_switch(*near.below, size, tier)) : ring;
  }
  const double low = bus_factor(kind, near.below->ranks);
  const double share = (bus_factor(kind, tier.ranks) - low) / (bus_factor(kind, near.above->ranks) - low);
  const auto at_measured_size = [&](const CollectiveCurve& curve) {
    Tier measured = tier;
    measured.ranks = curve.ranks;
    return continued(curve, kind, size, measured, device);
  };
  return (1.0 - share) * at_measured_size(*near.below) + share * at_measured_size(*near.above);
}

}  // namespace trainyard
