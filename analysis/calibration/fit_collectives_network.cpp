#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/calibration/fit_collectives.hpp"
#include "analysis/calibration/fit_collectives_samples.hpp"
#include "analysis/calibration/fit_network_solver.hpp"
#include "models/collective_curve.hpp"

namespace trainyard {
namespace {

using Samples = std::vector<CollectiveSample>;

constexpr double bandwidth_message = 16e6;  // B: from here on the NICs' bandwidth counts more than steps
constexpr int splits = 10;
constexpr double poor = 0.25;  // median error from which the formulas do not describe what was measured

constexpr NetworkTarget ring_target = {"collectives over nodes",
                                       "collective_efficiency",
                                       "step_latency",
                                       "all_gather_perf over two nodes or more up to 4 GB",
                                       "all_gather_perf over two nodes or more from 512 B on",
                                       &NetworkProfile::collective_efficiency,
                                       &NetworkProfile::step_latency};
constexpr NetworkTarget direct_target = {"all-to-all over nodes",
                                         "all_to_all_efficiency",
                                         "all_to_all_peer",
                                         "alltoall_perf over two nodes or more up to 4 GB",
                                         "alltoall_perf over several numbers of nodes from 512 B on",
                                         &NetworkProfile::all_to_all_efficiency,
                                         &NetworkProfile::all_to_all_peer};

struct Errors {
  std::vector<double> small;  // below bandwidth_message
  std::vector<double> large;
};
Errors held_out_errors(const Samples& samples, const NetworkSetting& setting, const NetworkFree& allowed) {
  Errors errors;
  for (int split = 0; split < splits; ++split) {
    Samples seen, unseen;
    for (const CollectiveSample& s : samples) {
      const std::string key =
          fmt::format("{} {} {} {:.0f} {}", curve_operation(s.kind), s.ranks, s.nodes, s.size.value, split);
      (held_out(key) ? unseen : seen).push_back(s);
    }
    if (seen.size() < enough_for_network) continue;
    const FoundNetwork found = found_network(seen, setting, allowed);
    for (const CollectiveSample& s : unseen)
      (s.size.value < bandwidth_message ? errors.small : errors.large)
          .push_back(predicted_over_nodes(s, found.pair, setting) / s.time - 1.0);
  }
  return errors;
}

double median_error(const std::vector<double>& errors) { return residuals_of({}, errors, true).median; }

std::string latency_text(const FoundNetwork& found) { return fmt::format("{:.3g}us", found.pair.latency * 1e6); }
std::string efficiency_text(const FoundNetwork& found) { return fmt::format("{:.3g}", 1.0 / found.pair.slowness); }

struct Fit {
  FoundNetwork found;
  Errors errors;
  std::string no_efficiency = "no three samples are bound by the NICs";  // why it is not free
  std::string no_latency = "no three samples owe enough of their time to it";
};

// A value that is none of a network, or with which the formulas miss the samples, is worth less than the base's.
Fit fit_worth_keeping(const Samples& samples, const NetworkSetting& setting) {
  Fit fit;
  for (NetworkFree allowed;;) {
    fit.found = found_network(samples, setting, allowed);
    fit.errors = held_out_errors(samples, setting, allowed);
    const double small = median_error(fit.errors.small), large = median_error(fit.errors.large);
    if (fit.found.free.latency && (fit.found.pair.latency < least_network_latency || small > poor)) {
      const bool none = fit.found.pair.latency < least_network_latency;
      fit.no_latency = fmt::format("{} fits best and leaves a median error of {} below 16 MB",
                                   none ? "less than 1us" : latency_text(fit.found), share_text(small));
      allowed.latency = false;
    } else if (fit.found.free.slowness && large > poor) {
      fit.no_efficiency =
          fmt::format("{} fits best and leaves a median error of {} from 16 MB on{}", efficiency_text(fit.found),
                      share_text(large), fit.found.pair.slowness > 1.0 ? "" : "; are the NICs faster than stated?");
      allowed.slowness = false;
    } else {
      return fit;
    }
  }
}

std::string residual_text(const std::vector<double>& errors, const char* sizes) {
  if (errors.empty()) return {};
  const Residuals r = residuals_of({}, errors, true);
  return fmt::format("median {}, p90 {} {}, held out", share_text(r.median), share_text(r.p90), sizes);
}

void say_constants(const Fit& fit, const NetworkTarget& target, const std::string& source, FitReport& report) {
  const FoundNetwork& found = fit.found;
  const auto keeps = [&](const char* name, const std::string& why, const char* what_to_measure) {
    report.notes.push_back(fmt::format("{} keeps the base's value: {}: {}", name, why, what_to_measure));
  };
  if (found.free.slowness)
    report.constants.push_back(
        {target.efficiency_name, efficiency_text(found), source, residual_text(fit.errors.large, "from 16 MB on")});
  else
    keeps(target.efficiency_name, fit.no_efficiency, target.large);
  if (found.free.latency)
    report.constants.push_back(
        {target.latency_name, latency_text(found), source, residual_text(fit.errors.small, "below 16 MB")});
  else
    keeps(target.latency_name, fit.no_latency, target.small);
  if (found.free.slowness && found.pair.slowness <= 1.0)
    report.notes.push_back(
        fmt::format("{}: the NICs are faster than stated; check the bandwidth given for them", target.what));
}

std::string source_text(const Samples& samples) {
  std::set<int> nodes;
  for (const CollectiveSample& s : samples) nodes.insert(s.nodes);
  return fmt::format("nccl-tests over {} nodes: {} points", fmt::join(nodes, ", "), samples.size());
}

void fit_target(const Samples& samples, const NetworkSetting& setting, FitReport& report) {
  const NetworkTarget& target = setting.target;
  if (samples.empty()) return;
  if (samples.size() < enough_for_network) {
    report.notes.push_back(fmt::format("{}: {} samples are too few: {}", target.what, samples.size(), target.large));
    return;
  }
  const Fit fit = fit_worth_keeping(samples, setting);
  say_constants(fit, target, source_text(samples), report);
  const auto add = [&](const std::vector<double>& errors, const char* sizes) {
    if (!errors.empty())
      report.residuals.push_back(residuals_of(fmt::format("{}, {}", target.what, sizes), errors, true));
  };
  add(fit.errors.large, ">= 16 MB");
  add(fit.errors.small, "< 16 MB");
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
