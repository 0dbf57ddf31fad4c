#include "analysis/calibration/fit_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "analysis/calibration/fit_memory_notes.hpp"

namespace trainyard {
namespace {

constexpr double large_bytes = 128.0 * 1024 * 1024;  // L2 caches hold 40 to 126 MB
constexpr double small_bytes = 1e6;                  // moved in less than a launch takes
constexpr double least_efficiency = 0.01;
constexpr Seconds longest_launch{1e-4};  // drivers take a few microseconds; more is another unit or another thing
constexpr std::size_t fewest_points_of_curve = 3;

using Samples = std::vector<const MemorySample*>;

bool is_streaming(const MemorySample& s) {  // the roof: nothing but loads and stores
  return s.record == "memory" && s.kernel != "memcpy";
}
bool is_vectorised(const MemorySample& s) {
  return (s.record == "memory" && (s.kernel == "copy" || s.kernel == "triad")) ||
         (s.record == "elementwise" && s.fused);
}
bool is_transpose(const MemorySample& s) { return s.record == "transpose"; }
bool is_staged_transpose(const MemorySample& s) { return is_transpose(s) && s.kernel != "naive"; }
bool is_kernel(const MemorySample& s) { return is_vectorised(s) || is_staged_transpose(s); }

Samples select(const Measurements& m, const std::function<bool(const MemorySample&)>& wanted, double low, double high) {
  Samples found;
  for (const MemorySample& s : m.memory)
    if (wanted(s) && s.bytes.value >= low && s.bytes.value <= high) found.push_back(&s);
  return found;
}
Samples large(const Measurements& m, const std::function<bool(const MemorySample&)>& wanted) {
  return select(m, wanted, large_bytes, HUGE_VAL);
}

double efficiency(const MemorySample& s, Seconds launch, const DeviceProfile& base) {
  const double busy =
      std::max(s.time.value - launch.value, s.time.value / 2);  // a launch is not most of a large kernel
  return s.bytes.value / busy / base.memory_bandwidth.value;
}

// Median over kernels of each kernel's median: a kernel measured at more sizes counts no more.
double typical_efficiency(const Samples& samples, Seconds launch, const DeviceProfile& base) {
  std::map<std::string, std::vector<double>> by_kernel;
  for (const MemorySample* s : samples) by_kernel[s->kernel].push_back(efficiency(*s, launch, base));
  std::vector<double> medians;
  for (const auto& [kernel, values] : by_kernel) medians.push_back(median_of(values));
  return median_of(medians);
}

std::optional<double> best_streaming(const Measurements& m, Seconds launch, const DeviceProfile& base) {
  std::optional<double> best;
  for (const MemorySample* s : large(m, is_streaming)) best = std::max(best.value_or(0), efficiency(*s, launch, base));
  return best;
}

// What a kernel takes beyond its bytes at the base's speed; the speed hardly matters for less than a megabyte.
std::optional<Seconds> launch_floor(const Measurements& m, const DeviceProfile& base) {
  const double speed = std::max(base.fused_efficiency, least_efficiency) * base.memory_bandwidth.value;
  std::vector<double> floors;
  for (const MemorySample* s : select(m, is_vectorised, 0, small_bytes))
    floors.push_back(std::max(0.0, s->time.value - s->bytes.value / speed));
  if (floors.empty())
    for (const LaunchSample& s : m.launches)
      if (s.kernel == "empty") floors.push_back(s.time.value);
  if (floors.empty()) return std::nullopt;
  return Seconds(median_of(floors));
}

// Residuals of t = launch + bytes / (efficiency x peak).
Residuals residuals(std::string of, const Samples& samples, double share, Seconds launch, const DeviceProfile& base) {
  std::vector<double> errors;
  double sum = 0;
  for (const MemorySample* s : samples) {
    const double predicted = launch.value + s->bytes.value / (share * base.memory_bandwidth.value);
    errors.push_back(std::abs(predicted / s->time.value - 1));
    sum += predicted / s->time.value - 1;
  }
  std::sort(errors.begin(), errors.end());
  const auto n = errors.size();
  return {std::move(of),     static_cast<int>(n),      false,
          median_of(errors), errors[(n - 1) * 9 / 10], sum / static_cast<double>(n)};
}

std::string residual_text(const Residuals& r) {
  return fmt::format("median {:.1f} %, p90 {:.1f} % of {} samples", r.median * 100, r.p90 * 100, r.samples);
}

std::string kernel_words(const Samples& samples) {
  std::set<std::string> kernels;
  for (const MemorySample* s : samples) kernels.insert(s->kernel);
  return fmt::format("{}", fmt::join(kernels, ", "));
}

class MemoryFit {
 public:
  MemoryFit(const Measurements& measured, const DeviceProfile& base)
      : measured_(measured), base_(base), launch_(base.kernel_launch) {}

  FitReport report() {
    if (base_.memory_bandwidth.value <= 0) {
      report_.notes.push_back(fmt::format("profile '{}' has no memory bandwidth to compare with", base_.name));
      return report_;
    }
    if (!measured_.memory.empty() || !measured_.launches.empty()) fit_launch();
    if (!measured_.memory.empty()) {
      fit_fused();
      fit_layout();
      draw();
    }
    for (std::string& note : memory_notes(measured_, base_)) report_.notes.push_back(std::move(note));
    return report_;
  }

 private:
  void fit_launch() {
    const std::optional<Seconds> floor = launch_floor(measured_, base_);
    if (floor && *floor > longest_launch) {
      report_.notes.push_back(
          fmt::format("kernel_launch would be {} and keeps its value: no launch takes that long", to_text(*floor)));
    } else if (floor) {
      launch_ = *floor;
      const std::size_t small = select(measured_, is_vectorised, 0, small_bytes).size();
      report_.constants.push_back({"kernel_launch",
                                   fmt::format("{:.2f}us", launch_.value * 1e6),
                                   small > 0 ? fmt::format("microbenchmarks: {} kernels below 1 MB", small)
                                             : "microbenchmarks: launches of an empty kernel",
                                   {}});
    } else {
      report_.notes.push_back("kernel_launch keeps its value: measure kernels below 1 MB or empty launches");
    }
  }

  void fit_fused() {
    const Samples samples = large(measured_, is_vectorised);
    if (samples.empty()) {
      report_.notes.push_back(
          "fused_efficiency keeps its value: measure copy, triad or fused kernels of 128 MiB and more");
      return;
    }
    double share = typical_efficiency(samples, launch_, base_);
    if (const auto roof = best_streaming(measured_, launch_, base_)) share = std::min(share, *roof);
    add("fused_efficiency", "vectorised kernels, 128 MiB and more", samples, share);
    fused_ = share;
  }

  void fit_layout() {
    Samples samples = large(measured_, is_staged_transpose);
    if (samples.empty()) samples = large(measured_, is_transpose);
    if (samples.empty()) {
      report_.notes.push_back("layout_efficiency keeps its value: measure transposes of 128 MiB and more");
      return;
    }
    add("layout_efficiency", "transposes, 128 MiB and more", samples, typical_efficiency(samples, launch_, base_));
  }

  void add(const std::string& name, const std::string& of, const Samples& samples, double share) {
    if (share < least_efficiency || share > 1) {
      report_.notes.push_back(
          fmt::format("{} would be {:.3f} of {:.0f} GB/s and keeps its value: is the base profile that of "
                      "the measured GPU?",
                      name, share, base_.memory_bandwidth.value / 1e9));
      return;
    }
    share = std::round(share * 1000) / 1000;
    report_.residuals.push_back(residuals(of, samples, share, launch_, base_));
    report_.constants.push_back({name, fmt::format("{:.3f}", share),
                                 fmt::format("microbenchmarks: {}", kernel_words(samples)),
                                 residual_text(report_.residuals.back())});
  }

  // Time over bytes of every kernel that the constants are of.
  void draw() {
    FitCurve curve{"memory-bound kernels", "bytes", "s", {}, {}};
    for (const MemorySample* s : select(measured_, is_kernel, 0, HUGE_VAL))
      curve.measured.emplace_back(s->bytes.value, s->time.value);
    if (curve.measured.size() < fewest_points_of_curve) return;
    std::sort(curve.measured.begin(), curve.measured.end());
    const double speed = fused_.value_or(base_.fused_efficiency) * base_.memory_bandwidth.value;
    for (const auto& [bytes, time] : curve.measured)
      if (curve.fitted.empty() || curve.fitted.back().first != bytes)
        curve.fitted.emplace_back(bytes, launch_.value + bytes / speed);
    report_.curves.push_back(std::move(curve));
  }

  const Measurements& measured_;
  const DeviceProfile& base_;
  Seconds launch_;
  std::optional<double> fused_;
  FitReport report_;
};

}  // namespace

FitReport fit_memory(const Measurements& measured, const DeviceProfile& base) {
  return MemoryFit(measured, base).report();
}

}  // namespace trainyard
