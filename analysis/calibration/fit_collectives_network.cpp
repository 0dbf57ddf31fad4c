#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "analysis/calibration/fit_collectives.hpp"
#include "analysis/calibration/fit_collectives_samples.hpp"
#include "models/collective_cost.hpp"
#include "models/collective_curve.hpp"

namespace trainyard {
namespace {

using Samples = std::vector<CollectiveSample>;

constexpr std::size_t enough = 3;       // samples that must tell a constant
constexpr double bound_by_nics = 0.5;   // share of a sample's time from which it tells the efficiency,
constexpr double most_bound = 0.8;      // if it is that much of the largest share of all samples
constexpr double free_of_nics = 0.25;   // share up to which it tells the latency,
constexpr double felt = 0.25;           // if a latency like the base's would be that much of its time
constexpr double probe = 1e-4;          // relative step of a difference quotient
constexpr double least_latency = 1e-6;  // s, that a network has at least
constexpr int rounds = 60;
constexpr int undamped_rounds = 10;     // then half steps, in case two formulas take turns
constexpr double slowest_share = 0.01;  // of the NICs' rate
constexpr double settled = 1e-9;
constexpr double bandwidth_message = 16e6;  // B: from here on the NICs' bandwidth counts more than steps
constexpr int splits = 10;

// The two constants of a class of collectives, as the times are linear in them piece by piece.
struct Pair {
  double slowness = 1;  // 1 / efficiency
  double latency = 0;   // s per step or per peer
};

// Which constants of the network a class of collectives sets.
struct Target {
  const char* what;
  const char* efficiency_name;
  const char* latency_name;
  const char* large;  // what to measure for either
  const char* small;
  double NetworkProfile::*efficiency;
  Seconds NetworkProfile::*latency;
};
constexpr Target ring_target = {"collectives over nodes",
                                "collective_efficiency",
                                "step_latency",
                                "all_gather_perf over two nodes or more up to 4 GB",
                                "all_gather_perf over two nodes or more from 512 B on",
                                &NetworkProfile::collective_efficiency,
                                &NetworkProfile::step_latency};
constexpr Target direct_target = {"all-to-all over nodes",
                                  "all_to_all_efficiency",
                                  "all_to_all_peer",
                                  "alltoall_perf over two nodes or more up to 4 GB",
                                  "alltoall_perf over several numbers of nodes from 512 B on",
                                  &NetworkProfile::all_to_all_efficiency,
                                  &NetworkProfile::all_to_all_peer};

struct Setting {
  const DeviceProfile& device;
  const NetworkProfile& base;
  BytesPerSecond nvlink;
  BytesPerSecond nic;
  const Target& target;
};

Seconds predicted(const CollectiveSample& s, const Pair& pair, const Setting& setting) {
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

// A sample's time as slowness and latency make it up, near `pair`, in units of the measured time.
struct Row {
  double by_slowness = 0;
  double by_latency = 0;
  double rest = 0;
  double share_of_slowness = 0;
  double time = 0;
};
Row linearised(const CollectiveSample& s, const Pair& pair, const Setting& setting) {
  const double step = probe * pair.slowness;
  const double wait = probe * std::max(least_latency, pair.latency);
  Row row;
  row.time = predicted(s, pair, setting) / s.time;
  row.by_slowness = (predicted(s, {pair.slowness + step, pair.latency}, setting) / s.time - row.time) / step;
  row.by_latency = (predicted(s, {pair.slowness, pair.latency + wait}, setting) / s.time - row.time) / wait;
  row.rest = row.time - row.by_slowness * pair.slowness - row.by_latency * pair.latency;
  row.share_of_slowness = row.by_slowness * pair.slowness / row.time;
  return row;
}

struct Free {
  bool slowness = true;
  bool latency = true;
};

// What each sample that tells a constant wants it to be, the other one given.
struct Wanted {
  std::vector<double> slowness;
  std::vector<double> latency;
  double latency_share = 0;  // of the samples that tell the latency, the median share of one like the base's
};
Wanted wanted(const Samples& samples, const Pair& pair, const Setting& setting) {
  std::vector<Row> rows;
  double most = 0;
  for (const CollectiveSample& s : samples) {
    rows.push_back(linearised(s, pair, setting));
    most = std::max(most, rows.back().share_of_slowness);
  }
  const double usual = std::max({pair.latency, (setting.base.*setting.target.latency).value, least_latency});
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
Pair settle(const Samples& samples, Pair pair, const Free& free, const Setting& setting) {
  for (int round = 0; round < rounds; ++round) {
    const Wanted want = wanted(samples, pair, setting);
    Pair next = pair;
    if (free.slowness && want.slowness.size() >= enough)
      next.slowness = std::clamp(order_statistic(want.slowness, 0.5), 1.0, 1.0 / slowest_share);
    if (free.latency && want.latency.size() >= enough) next.latency = std::max(0.0, order_statistic(want.latency, 0.5));
    if (round >= undamped_rounds) next = {0.5 * (pair.slowness + next.slowness), 0.5 * (pair.latency + next.latency)};
    const double change = std::abs(next.slowness - pair.slowness) / pair.slowness +
                          std::abs(next.latency - pair.latency) / std::max(least_latency, pair.latency);
    pair = next;
    if (change < settled) break;
  }
  return pair;
}

double loss(const Samples& samples, const Pair& pair, const Setting& setting) {
  double sum = 0;
  for (const CollectiveSample& s : samples) sum += std::abs(std::log(predicted(s, pair, setting) / s.time));
  return sum;
}

// From several starts, since a network that is thought fast may not be felt at all.
Pair best_of_starts(const Samples& samples, const Pair& base, const Free& free, const Setting& setting) {
  Pair best = base;
  double least = std::numeric_limits<double>::infinity();
  for (const double slowness : {base.slowness, 1.05, 1.5, 4.0}) {
    if (!free.slowness && slowness != base.slowness) continue;
    const Pair found = settle(samples, {slowness, base.latency}, free, setting);
    const double here = loss(samples, found, setting);
    if (here >= least) continue;
    least = here;
    best = found;
  }
  return best;
}

struct Found {
  Pair pair;
  Free free;
};
Found found_in(const Samples& samples, const Setting& setting) {
  const Pair base{1.0 / std::clamp(setting.base.*setting.target.efficiency, slowest_share, 1.0),
                  (setting.base.*setting.target.latency).value};
  const Pair both = best_of_starts(samples, base, {}, setting);
  const Wanted want = wanted(samples, both, setting);
  const Free free{want.slowness.size() >= enough, want.latency.size() >= enough && want.latency_share >= felt};
  if (free.slowness && free.latency) return {both, free};
  if (!free.slowness && !free.latency) return {base, free};
  return {best_of_starts(samples, base, free, setting), free};
}

struct Errors {
  std::vector<double> small;  // below bandwidth_message
  std::vector<double> large;
};
Errors held_out_errors(const Samples& samples, const Setting& setting) {
  Errors errors;
  for (int split = 0; split < splits; ++split) {
    Samples seen, unseen;
    for (const CollectiveSample& s : samples) {
      const std::string key =
          fmt::format("{} {} {} {:.0f} {}", curve_operation(s.kind), s.ranks, s.nodes, s.size.value, split);
      (held_out(key) ? unseen : seen).push_back(s);
    }
    if (seen.size() < enough) continue;
    const Found found = found_in(seen, setting);
    for (const CollectiveSample& s : unseen)
      (s.size.value < bandwidth_message ? errors.small : errors.large)
          .push_back(predicted(s, found.pair, setting) / s.time - 1.0);
  }
  return errors;
}

void say_constants(const Found& found, const Target& target, const std::string& source, const std::string& residual,
                   FitReport& report) {
  if (found.free.slowness)
    report.constants.push_back(
        {target.efficiency_name, fmt::format("{:.3g}", 1.0 / found.pair.slowness), source, residual});
  else
    report.notes.push_back(fmt::format("{} keeps the base's value: no three samples are bound by the NICs: {}",
                                       target.efficiency_name, target.large));
  if (found.free.latency)
    report.constants.push_back(
        {target.latency_name, fmt::format("{:.3g}us", found.pair.latency * 1e6), source, residual});
  else
    report.notes.push_back(fmt::format("{} keeps the base's value: no three samples owe enough of their time to it: {}",
                                       target.latency_name, target.small));
  if (found.free.slowness && found.pair.slowness <= 1.0)
    report.notes.push_back(
        fmt::format("{}: the NICs are faster than stated; check the bandwidth given for them", target.what));
}

void fit_target(const Samples& samples, const Setting& setting, FitReport& report) {
  const Target& target = setting.target;
  if (samples.empty()) return;
  if (samples.size() < enough) {
    report.notes.push_back(fmt::format("{}: {} samples are too few: {}", target.what, samples.size(), target.large));
    return;
  }
  const Found found = found_in(samples, setting);
  const Errors errors = held_out_errors(samples, setting);
  const Residuals large = residuals_of(fmt::format("{}, >= 16 MB", target.what), errors.large, true);
  const Residuals small = residuals_of(fmt::format("{}, < 16 MB", target.what), errors.small, true);
  say_constants(
      found, target, fmt::format("nccl-tests over {} nodes: {} points", samples.front().nodes, samples.size()),
      errors.large.empty()
          ? std::string()
          : fmt::format("median {}, p90 {} from 16 MB on, held out", share_text(large.median), share_text(large.p90)),
      report);
  if (!errors.large.empty()) report.residuals.push_back(large);
  if (!errors.small.empty()) report.residuals.push_back(small);
}

BytesPerSecond nvlink_of(const DeviceProfile& device, const CollectiveFitOptions& options) {
  if (options.nvlink_bandwidth.value > 0) return options.nvlink_bandwidth;
  for (const CollectiveCurve& curve : device.nvlink_collectives)
    if (curve.measured_at.value > 0) return curve.measured_at;
  return {};
}

}  // namespace

FitReport fit_network(const Samples& samples, const DeviceProfile& device, const NetworkProfile& base,
                      BytesPerSecond nic_bandwidth, const CollectiveFitOptions& options) {
  if (!(nic_bandwidth.value > 0) || !std::isfinite(nic_bandwidth.value))
    throw InputError({}, "a network's constants need the NICs' bandwidth per GPU", "give it as 50GB/s or 400Gbps");
  require_one_device(samples);
  FitReport report;
  const BytesPerSecond nvlink = nvlink_of(device, options);
  Samples rings, directs;
  std::size_t odd = 0;
  for (const CollectiveSample& s : samples) {
    if (!usable(s) || s.nodes <= 1 || curve_operation(s.kind).empty()) continue;
    const bool even = s.ranks % s.nodes == 0 && (s.ranks == s.nodes || nvlink.value > 0);
    if (even && admitted(s.nccl, options.newest_nccl))
      (s.kind == CollectiveKind::all_to_all ? directs : rings).push_back(s);
    else
      ++odd;
  }
  if (odd > 0)
    report.notes.push_back(
        fmt::format("{} collectives over several nodes left out: unequal nodes, an NCCL newer than "
                    "asked for, or an NVLink bandwidth that is not known",
                    odd));
  fit_target(rings, {device, base, nvlink, nic_bandwidth, ring_target}, report);
  fit_target(directs, {device, base, nvlink, nic_bandwidth, direct_target}, report);
  if (rings.empty() && directs.empty()) report.notes.push_back("no collective over several nodes could be used");
  return report;
}

}  // namespace trainyard
