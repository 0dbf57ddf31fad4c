#include "analysis/calibration/fit_network_solver.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "analysis/calibration/fit_collectives_samples.hpp"
#include "models/collective_cost.hpp"

namespace trainyard {
namespace {

using Samples = std::vector<CollectiveSample>;

constexpr double bound_by_nics = 0.5;  // share of a sample's time from which it tells the efficiency,
constexpr double most_bound = 0.8;     // if it is that much of the largest share of all samples
constexpr double free_of_nics = 0.25;  // share up to which it tells the latency,
constexpr double felt = 0.25;          // if a latency like the base's would be that much of its time
constexpr double probe = 1e-4;         // relative step of a difference quotient
constexpr int rounds = 60;
constexpr int undamped_rounds = 10;     // then half steps, in case two formulas take turns
constexpr double slowest_share = 0.01;  // of the NICs' rate
constexpr double settled = 1e-9;

// A sample's time as slowness and latency make it up, near `pair`, in units of the measured time.
struct Row {
  double by_slowness = 0;
  double by_latency = 0;
  double rest = 0;
  double share_of_slowness = 0;
  double time = 0;
};
Row linearised(const CollectiveSample& s, const NetworkPair& pair, const NetworkSetting& setting) {
  const double step = probe * pair.slowness;
  const double wait = probe * std::max(least_network_latency, pair.latency);
  Row row;
  row.time = predicted_over_nodes(s, pair, setting) / s.time;
  row.by_slowness = (predicted_over_nodes(s, {pair.slowness + step, pair.latency}, setting) / s.time - row.time) / step;
  row.by_latency = (predicted_over_nodes(s, {pair.slowness, pair.latency + wait}, setting) / s.time - row.time) / wait;
  row.rest = row.time - row.by_slowness * pair.slowness - row.by_latency * pair.latency;
  row.share_of_slowness = row.by_slowness * pair.slowness / row.time;
  return row;
}

// What each sample that tells a constant wants it to be, the other one given.
struct Wanted {
  std::vector<double> slowness;
  std::vector<double> latency;
  double latency_share = 0;  // of the samples that tell the latency, the median share of one like the base's
};
Wanted wanted(const Samples& samples, const NetworkPair& pair, const NetworkSetting& setting) {
  std::vector<Row> rows;
  double most = 0;
  for (const CollectiveSample& s : samples) {
    rows.push_back(linearised(s, pair, setting));
    most = std::max(most, rows.back().share_of_slowness);
  }
  const double usual = std::max({pair.latency, (setting.base.*setting.target.latency).value, least_network_latency});
  Wanted result;
  std::vector<double> shares;
  for (const Row& row : rows) {
    if (row.share_of_slowness >= std::max(bound_by_nics, most_bound * most))
      result.slowness.push_back((1.0 - row.rest - row.by_latency * pair.latency) / row.by_slowness);
    if (row.share_of_slowness > free_of_nics || row.by_latency <= 0) continue;
    result.latency.push_back((1.0 - row.rest - row.by_slowness * pair.slowness) / row.by_latency);
    shares.push_back(row.by_latency * usual / (row.time + row.by_latency * (usual - pair.latency)));
  }
  result.latency_share = order_statistic(std::move(shares), 0.5);
  return result;
}

// The medians of what is wanted, again and again: the formulas are linear in both constants only piece by piece.
NetworkPair settle(const Samples& samples, NetworkPair pair, const NetworkFree& free, const NetworkSetting& setting) {
  for (int round = 0; round < rounds; ++round) {
    const Wanted want = wanted(samples, pair, setting);
    NetworkPair next = pair;
    if (free.slowness && want.slowness.size() >= enough_for_network)
      next.slowness = std::clamp(order_statistic(want.slowness, 0.5), 1.0, 1.0 / slowest_share);
    if (free.latency && want.latency.size() >= enough_for_network)
      next.latency = std::max(0.0, order_statistic(want.latency, 0.5));
    if (round >= undamped_rounds) next = {0.5 * (pair.slowness + next.slowness), 0.5 * (pair.latency + next.latency)};
    const double change = std::abs(next.slowness - pair.slowness) / pair.slowness +
                          std::abs(next.latency - pair.latency) / std::max(least_network_latency, pair.latency);
    pair = next;
    if (change < settled) break;
  }
  return pair;
}

double loss(const Samples& samples, const NetworkPair& pair, const NetworkSetting& setting) {
  double sum = 0;
  for (const CollectiveSample& s : samples) sum += std::abs(std::log(predicted_over_nodes(s, pair, setting) / s.time));
  return sum;
}

// From several starts, since a network that is thought fast may not be felt at all.
NetworkPair best_of_starts(const Samples& samples, const NetworkPair& base, const NetworkFree& free,
                           const NetworkSetting& setting) {
  NetworkPair best = base;
  double least = std::numeric_limits<double>::infinity();
  for (const double slowness : {base.slowness, 1.05, 1.5, 4.0}) {
    if (!free.slowness && slowness != base.slowness) continue;
    const NetworkPair found = settle(samples, {slowness, base.latency}, free, setting);
    const double here = loss(samples, found, setting);
    if (here >= least) continue;
    least = here;
    best = found;
  }
  return best;
}

}  // namespace

Seconds predicted_over_nodes(const CollectiveSample& s, const NetworkPair& pair, const NetworkSetting& setting) {
  NetworkProfile network = setting.base;
  network.*setting.target.efficiency = 1.0 / pair.slowness;
  network.*setting.target.latency = Seconds(pair.latency);
  const int inside = s.ranks / s.nodes;
  std::vector<Tier> tiers;
  if (inside > 1)
    tiers.push_back({inside, LinkClass::nvlink, setting.nvlink, Seconds(0), setting.device.multicast_gain > 1});
  tiers.push_back({s.nodes, LinkClass::net, setting.nic, Seconds(0), false});
  return collective_cost(s.kind, s.size, tiers, setting.device, network).time;
}

FoundNetwork found_network(const Samples& samples, const NetworkSetting& setting, const NetworkFree& allowed) {
  const NetworkPair base{1.0 / std::clamp(setting.base.*setting.target.efficiency, slowest_share, 1.0),
                         (setting.base.*setting.target.latency).value};
  const NetworkPair first = best_of_starts(samples, base, allowed, setting);
  const Wanted want = wanted(samples, first, setting);
  const NetworkFree free{allowed.slowness && want.slowness.size() >= enough_for_network,
                         allowed.latency && want.latency.size() >= enough_for_network && want.latency_share >= felt};
  if (free == allowed) return {first, free};
  if (!free.slowness && !free.latency) return {base, free};
  return {best_of_starts(samples, base, free, setting), free};
}

}  // namespace trainyard
