#include "analysis/calibration/fit_collectives.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "analysis/calibration/fit_collectives_regimes.hpp"
#include "analysis/calibration/fit_collectives_samples.hpp"
#include "models/collective_curve.hpp"

namespace trainyard {
namespace {

constexpr double enough_for_bandwidth = 64e6;  // B: smaller messages do not show what NVLink sustains
constexpr int drawn_points = 120;

std::vector<CurvePoint> points_of(const CurveSamples& curve) {
  std::vector<CurvePoint> points;
  for (const CollectiveSample& s : curve.samples) points.push_back({s.size, s.time});
  return points;
}

struct Errors {
  std::vector<double> small;  // below large_message
  std::vector<double> large;
};

// All samples of a size are held out together: repeats must not vouch for each other.
Errors held_out_errors(const CurveSamples& curve) {
  Errors errors;
  for (int split = 0; split < held_out_splits; ++split) {
    std::vector<CurvePoint> seen, unseen;
    for (const CurvePoint& p : points_of(curve)) {
      const std::string key =
          fmt::format("{} {} {:.0f} {}", curve_operation(curve.kind), curve.ranks, p.size.value, split);
      (held_out(key) ? unseen : seen).push_back(p);
    }
    const std::vector<CollectiveRegime> regimes = fit_regimes(seen);
    if (regimes.empty()) continue;
    for (const CurvePoint& p : unseen)
      (p.size.value < large_message ? errors.small : errors.large)
          .push_back(regime_time(regimes, p.size) / p.time - 1.0);
  }
  return errors;
}

FitCurve picture(const CurveSamples& curve, const std::vector<CollectiveRegime>& regimes) {
  FitCurve result{
      fmt::format("{} over {} GPUs", curve_operation(curve.kind), curve.ranks), "message, bytes", "time, s", {}, {}};
  double least = HUGE_VAL, most = 0;
  for (const CurvePoint& p : points_of(curve)) {
    result.measured.emplace_back(p.size.value, p.time.value);
    least = std::min(least, p.size.value);
    most = std::max(most, p.size.value);
  }
  for (int i = 0; i < drawn_points; ++i) {
    const double size = least * std::pow(most / least, i / (drawn_points - 1.0));
    result.fitted.emplace_back(size, regime_time(regimes, Bytes(size)).value);
  }
  return result;
}

// The base's where the machine does not say: the same GPU has the same links.
BytesPerSecond nominal(const DeviceProfile& base, const CollectiveFitOptions& options) {
  if (options.nvlink_bandwidth.value > 0) return options.nvlink_bandwidth;
  for (const CollectiveCurve& curve : base.nvlink_collectives)
    if (curve.measured_at.value > 0) return curve.measured_at;
  return {};
}

std::string too_small_note(const CurveSamples& curve) {
  double largest = 0;
  for (const CollectiveSample& s : curve.samples) largest = std::max(largest, s.size.value);
  if (largest >= enough_for_bandwidth) return {};
  return fmt::format("{} over {} ranks is measured up to {} only; larger messages continue its last piece: add -e 512M",
                     curve_operation(curve.kind), curve.ranks, to_text(Bytes(largest)));
}

void note_what_is_missing(const std::vector<CollectiveCurve>& curves, FitReport& report) {
  for (const CollectiveKind kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather,
                                    CollectiveKind::reduce_scatter, CollectiveKind::all_to_all}) {
    const std::string_view operation = curve_operation(kind);
    if (std::none_of(curves.begin(), curves.end(), [&](const auto& c) { return c.operation == operation; }))
      report.notes.push_back(
          fmt::format("{} inside a node keeps its formula: run {}_perf -d half -b 512 -e 512M -f 2 -g 2, -g 4 and -g 8",
                      operation, kind == CollectiveKind::all_to_all ? "alltoall" : operation));
  }
}

class CurveFits {
 public:
  CurveFits(FitReport& report, BytesPerSecond measured_at) : report_(report), measured_at_(measured_at) {}

  void add(const CurveSamples& curve) {
    const std::vector<CollectiveRegime> regimes = fit_regimes(points_of(curve));
    if (regimes.empty()) {
      report_.notes.push_back(
          fmt::format("{} over {} ranks is measured at fewer than four sizes and keeps what it had: "
                      "measure 512 B to 512 MB, doubling",
                      curve_operation(curve.kind), curve.ranks));
      return;
    }
    curves.push_back({std::string(curve_operation(curve.kind)), curve.ranks, measured_at_, regimes});
    report_.curves.push_back(picture(curve, regimes));
    if (std::string note = too_small_note(curve); !note.empty()) report_.notes.push_back(std::move(note));
    versions_.insert(curve.nccl.empty() ? "of unknown version" : curve.nccl);
    samples_ += curve.samples.size();
    const Errors errors = held_out_errors(curve);
    Errors& all = errors_[curves.back().operation];
    all.small.insert(all.small.end(), errors.small.begin(), errors.small.end());
    all.large.insert(all.large.end(), errors.large.begin(), errors.large.end());
  }

  // The residual of the constant is that of messages whose bandwidth counts.
  FittedConstant constant() const {
    std::vector<double> large;
    for (const auto& [operation, errors] : errors_) large.insert(large.end(), errors.large.begin(), errors.large.end());
    const Residuals all = residuals_of({}, large, true);
    return {"nvlink_collectives", curves_text(curves),
            fmt::format("nccl-tests in one NVLink domain, NCCL {}: {} points", fmt::join(versions_, ", "), samples_),
            large.empty() ? std::string()
                          : fmt::format("median {}, p90 {} from 1 MB on, a tenth of the sizes held out, {} splits",
                                        share_text(all.median), share_text(all.p90), held_out_splits)};
  }
  void say_residuals() {
    for (const auto& [operation, errors] : errors_) {
      if (!errors.large.empty())
        report_.residuals.push_back(residuals_of(operation + " in one NVLink domain, >= 1 MB", errors.large, true));
      if (!errors.small.empty())
        report_.residuals.push_back(residuals_of(operation + " in one NVLink domain, < 1 MB", errors.small, true));
    }
  }

  std::vector<CollectiveCurve> curves;

 private:
  FitReport& report_;
  BytesPerSecond measured_at_;
  std::set<std::string> versions_;
  std::size_t samples_ = 0;
  std::map<std::string, Errors> errors_;
};

// Curves of the base that were not measured anew stay, since the constant replaces the whole table.
void keep_unmeasured(std::vector<CollectiveCurve>& curves, const DeviceProfile& base) {
  const std::size_t measured = curves.size();
  for (const CollectiveCurve& old : base.nvlink_collectives)
    if (std::none_of(curves.begin(), curves.begin() + static_cast<std::ptrdiff_t>(measured),
                     [&](const auto& c) { return c.operation == old.operation && c.ranks == old.ranks; }))
      curves.push_back(old);
}

std::string regime_text(const CollectiveRegime& regime) {
  const double gigabytes = regime.bandwidth.value / 1e9;
  return fmt::format("[{:.0f}B, {:.4g}us, {}GB/s]", regime.from.value, regime.latency.value * 1e6,
                     gigabytes < 1000 ? fmt::format("{:.4g}", gigabytes) : fmt::format("{:.0f}", gigabytes));
}

}  // namespace

FitReport fit_collectives(const std::vector<CollectiveSample>& samples, const DeviceProfile& base,
                          const CollectiveFitOptions& options) {
  require_one_device(samples);
  FitReport report;
  const auto across = std::count_if(samples.begin(), samples.end(), [](const auto& s) { return s.nodes > 1; });
  if (across > 0) report.notes.push_back(fmt::format("{} collectives over several nodes are the network's", across));
  const BytesPerSecond measured_at = nominal(base, options);
  CurveFits fits(report, measured_at);
  for (const CurveSamples& curve : samples_per_curve(samples, options.newest_nccl, report.notes)) fits.add(curve);
  if (fits.curves.empty()) {
    report.notes.push_back("no collective inside a node could be fitted");
    return report;
  }
  if (measured_at.value <= 0)
    report.notes.push_back(
        "the NVLink bandwidth where the collectives were measured is not known: their curves are "
        "taken to hold on whatever NVLink a cluster has");
  keep_unmeasured(fits.curves, base);
  note_what_is_missing(fits.curves, report);
  report.constants.push_back(fits.constant());
  fits.say_residuals();
  return report;
}

std::string curves_text(const std::vector<CollectiveCurve>& curves) {
  std::vector<std::string> texts;
  for (const CollectiveCurve& curve : curves) {
    std::vector<std::string> regimes;
    std::transform(curve.regimes.begin(), curve.regimes.end(), std::back_inserter(regimes), regime_text);
    const double nominal = curve.measured_at.value / 1e9;
    texts.push_back(fmt::format("{{operation: {}, ranks: {},{} regimes: [{}]}}", curve.operation, curve.ranks,
                                nominal > 0 ? fmt::format(" measured_at: {:.6g}GB/s,", nominal) : "",
                                fmt::join(regimes, ", ")));
  }
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

}  // namespace trainyard
