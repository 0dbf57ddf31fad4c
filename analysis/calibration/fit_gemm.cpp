#include "analysis/calibration/fit_gemm.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>

#include "analysis/calibration/fit_gemm_formula.hpp"
#include "analysis/calibration/fit_gemm_residuals.hpp"
#include "analysis/calibration/fit_gemm_surface.hpp"
#include "models/gemm_cost.hpp"

namespace trainyard {
namespace {

constexpr std::size_t telling_samples = 20;  // fewer do not give a median and a p90

bool is_half(DataType type) { return type == DataType::bf16 || type == DataType::fp16; }

struct SortedSamples {
  GemmSamples half, fp8, nvfp4;  // what formulas are fitted to
  GemmSamples block_scaled;
  GemmSamples weight_gradients;  // 16 bit
  std::size_t unusable = 0;      // no positive shape or time
  std::size_t unaligned = 0;     // fp8 and NVFP4
  std::size_t untreated = 0;     // batched, grouped, fp32, low-precision weight gradients …
};

bool measures(const GemmSample& s) {
  return std::min({s.gemm.m, s.gemm.n, s.gemm.k, s.gemm.batch, s.gemm.groups}) > 0 && std::isfinite(s.time.value) &&
         s.time.value > 0;
}

// cuBLASLt's fp8 kernels take multiples of 16 only, to which Transformer Engine pads; what other libraries take beyond
// a multiple is no guide to training.
bool aligned(const Gemm& g) { return g.m % 16 == 0 && g.n % 16 == 0 && g.k % 16 == 0; }

SortedSamples sorted(const std::vector<GemmSample>& samples, const DeviceProfile& base) {
  SortedSamples out;
  for (const GemmSample& s : samples) {
    const DataType type = s.gemm.type;
    if (!measures(s))
      ++out.unusable;
    else if (s.gemm.batch > 1 || s.gemm.groups > 1 || !(gemm_peak(type, base).value > 0))
      ++out.untreated;
    else if (is_half(type))
      (s.gemm.weight_gradient ? out.weight_gradients : out.half).push_back(&s);
    else if (s.gemm.weight_gradient || (type != DataType::fp8 && type != DataType::nvfp4))
      ++out.untreated;
    else if (!aligned(s.gemm))
      ++out.unaligned;
    else if (type == DataType::nvfp4)
      out.nvfp4.push_back(&s);
    else
      (s.block_scaled ? out.block_scaled : out.fp8).push_back(&s);
  }
  return out;
}

GemmSamples split_off(const GemmSamples& samples, GemmSplit split, bool held) {
  GemmSamples out;
  std::copy_if(samples.begin(), samples.end(), std::back_inserter(out),
               [&](const GemmSample* s) { return left_out(*s, split) == held; });
  return out;
}

std::string value_of(const std::string& constant, DeviceProfile& device, DataType type) {
  const GemmModel& g = device.gemm;
  const LowPrecisionGemm& low = type == DataType::nvfp4 ? device.fp4 : device.fp8;
  if (constant.ends_with(".surface")) return surface_text(surface_of(device, type));
  if (constant == "gemm.tile_efficiency") return fmt::format("[{:.4g}]", fmt::join(g.tile_efficiency, ", "));
  if (constant == "gemm.fixed") return fmt::format("{:.4g}us", g.fixed.value * 1e6);
  const double value = constant == "gemm.sustained"           ? g.sustained
                       : constant == "gemm.k_overhead"        ? g.k_overhead
                       : constant == "gemm.wave_softness"     ? g.wave_softness
                       : constant == "gemm.memory_efficiency" ? g.memory_efficiency
                       : constant == "gemm.blend"             ? g.blend
                       : constant == "gemm.split_k_traffic"   ? g.split_k_traffic
                       : constant.ends_with(".sustained")     ? low.sustained
                                                              : low.k_overhead;
  return fmt::format("{:.4g}", value);
}

std::string file_of(const GemmSamples& samples) {
  const std::string& path = samples.front()->where.file;
  return path.empty() ? "GEMM times" : path.substr(path.find_last_of('/') + 1);
}

// Fits one type, appends to the report and returns the formula with its surface.
class TypeFit {
 public:
  TypeFit(const GemmSamples& samples, DataType type, FitReport& report)
      : samples_(samples), type_(type), of_(fmt::format("{} GEMM", name(type))), report_(report) {}

  GemmFormula run(const DeviceProfile& base) {
    GemmSamples seen = split_off(samples_, GemmSplit::pairs, false);
    GemmSamples unseen = split_off(samples_, GemmSplit::pairs, true);
    const bool split = unseen.size() >= telling_samples && seen.size() > unseen.size();
    if (!split) seen = unseen = samples_;
    GemmFormula formula = fit_gemm_formula(seen, type_, base);
    for (const std::string& note : formula.notes) report_.notes.push_back(fmt::format("{}: {}", of_, note));
    if (formula.fitted.empty() && !formula.complete) return formula;
    note_cast(formula);
    const Residuals without = residuals_of(unseen, formula, of_, split);
    for (const std::string& constant : formula.fitted) add(constant, formula, without);
    const GemmSurface lattice = formula.complete ? surface_lattice(seen) : GemmSurface{};
    if (!lattice.m.empty())
      fit_lattice(formula, lattice, seen, unseen, split);
    else
      append(gemm_residuals(unseen, formula, of_ + (split ? ", (n, k) left out" : ""), split));
    const std::vector<FitCurve> curves = gemm_curves(samples_, formula, of_);
    report_.curves.insert(report_.curves.end(), curves.begin(), curves.end());
    return formula;
  }

 private:
  // What is written is fitted to all samples; the residuals are those of fits to a part of them.
  void fit_lattice(GemmFormula& formula, const GemmSurface& lattice, const GemmSamples& seen, const GemmSamples& unseen,
                   bool split) {
    const GemmFormula bare = formula;
    GemmSurface& surface = surface_of(formula.device, type_);
    surface = fit_surface(seen, bare, lattice);
    append(gemm_residuals(unseen, formula, of_ + (split ? ", (n, k) left out" : ""), split));
    const Residuals with = residuals_of(unseen, formula, of_, split);
    const GemmSamples points = split_off(samples_, GemmSplit::points, true);
    if (split && points.size() >= telling_samples) {
      surface = fit_surface(split_off(samples_, GemmSplit::points, false), bare, lattice);
      append(gemm_residuals(points, formula, of_ + ", points left out", true));
    }
    surface = fit_surface(samples_, bare, lattice);
    add(type_ == DataType::fp8     ? "fp8.surface"
        : type_ == DataType::nvfp4 ? "fp4.surface"
                                   : "gemm.surface",
        formula, with);
  }
  void add(const std::string& constant, GemmFormula& formula, const Residuals& residuals) {
    report_.constants.push_back({constant, value_of(constant, formula.device, type_),
                                 fmt::format("{}: {} GEMMs in {}", file_of(samples_), samples_.size(), name(type_)),
                                 residual_text(residuals)});
  }
  void append(const std::vector<Residuals>& residuals) {
    report_.residuals.insert(report_.residuals.end(), residuals.begin(), residuals.end());
  }
  void note_cast(const GemmFormula& formula) {
    const OperandCast& cast = formula.cast;
    if (cast == OperandCast{}) return;
    report_.notes.push_back(fmt::format(
        "{}: the times hold a cast of A, fitted as {:.1f} us + m x hypot({:.1f} ns, k x {:.2f} ps), which is "
        "taken out of the constants",
        of_, cast.fixed.value * 1e6, cast.per_row.value * 1e9, cast.per_element.value * 1e12));
  }

  const GemmSamples& samples_;
  DataType type_;
  std::string of_;
  FitReport& report_;
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}
double median_ratio(const GemmSamples& samples, const GemmFormula& formula) {
  std::vector<double> ratios;
  for (const GemmSample* s : samples) ratios.push_back(s->time / sample_time(formula, s->gemm));
  return median(std::move(ratios));
}

// The surfaces of 8 and 4 bits rest on the tiles, waves and memory of 16 bit.
void note_stale_surfaces(const SortedSamples& kinds, const DeviceProfile& base, const GemmFormula& half,
                         FitReport& report) {
  if (!half.complete || half.fitted.empty()) return;  // the level alone changes nothing for them
  const auto note = [&](std::string_view surface, const GemmSurface& of, const GemmSamples& samples) {
    if (!of.ratio.empty() && samples.empty())
      report.notes.push_back(
          fmt::format("{} of profile '{}' was fitted with other gemm.* constants: measure GEMMs of "
                      "that type too",
                      surface, base.name));
  };
  note("fp8.surface", base.fp8.surface, kinds.fp8);
  note("fp4.surface", base.fp4.surface, kinds.nvfp4);
}

void fit_weight_gradients(const GemmSamples& samples, const GemmFormula& formula, FitReport& report) {
  if (samples.empty()) {
    report.notes.push_back("wgrad_slowdown: no weight-gradient GEMMs (NT, fp32 accumulation) among the samples");
    return;
  }
  if (samples.size() < telling_samples) {
    report.notes.push_back(fmt::format("wgrad_slowdown: {} weight-gradient GEMMs are too few, measure at least {}",
                                       samples.size(), telling_samples));
    return;
  }
  const Residuals residuals = residuals_of(samples, formula, "bf16 weight-gradient GEMM, as forward", false);
  report.residuals.push_back(residuals);
  report.constants.push_back({"wgrad_slowdown", fmt::format("{:.3g}", median_ratio(samples, formula)),
                              fmt::format("{}: {} weight-gradient GEMMs", file_of(samples), samples.size()),
                              residual_text(residuals)});
}

void compare_block_scaled(const GemmSamples& samples, const GemmFormula& formula, FitReport& report) {
  GemmSamples big;  // the small ones are launches
  for (const GemmSample* s : samples)
    if (std::min({s->gemm.m, s->gemm.n, s->gemm.k}) >= 2048) big.push_back(s);
  if (big.size() < telling_samples) return;
  report.residuals.push_back(
      residuals_of(big, formula, "fp8 GEMM with a scale per block, m, n, k >= 2048, as per tensor", false));
  report.notes.push_back(
      fmt::format("fp8 GEMM with a scale per block: takes {:.2f} of the time with a scale per "
                  "tensor (median of {}); no constant is fitted to it",
                  median_ratio(big, formula), big.size()));
}

}  // namespace

FitReport fit_gemms(const std::vector<GemmSample>& samples, const DeviceProfile& base) {
  FitReport report;
  const SortedSamples kinds = sorted(samples, base);
  if (kinds.unusable > 0)
    report.notes.push_back(
        fmt::format("{} GEMM samples without a positive shape and time are left out", kinds.unusable));
  if (kinds.untreated > 0)
    report.notes.push_back(
        fmt::format("{} GEMM samples are left out: batched, grouped, weight gradients below 16 bit, or of a type "
                    "without tensor cores in profile '{}'",
                    kinds.untreated, base.name));
  if (kinds.unaligned > 0)
    report.notes.push_back(
        fmt::format("{} GEMM samples of 8 and 4 bits are left out: m, n or k is no multiple of 16", kinds.unaligned));
  GemmFormula formula{base, DataType::bf16, {}, {}, {}, false};
  if (!kinds.half.empty()) formula = TypeFit(kinds.half, DataType::bf16, report).run(base);
  note_stale_surfaces(kinds, base, formula, report);
  if (!kinds.half.empty() || !kinds.weight_gradients.empty())
    fit_weight_gradients(kinds.weight_gradients, formula, report);
  if (!kinds.nvfp4.empty()) TypeFit(kinds.nvfp4, DataType::nvfp4, report).run(formula.device);
  formula.type = DataType::fp8;
  if (!kinds.fp8.empty()) formula = TypeFit(kinds.fp8, DataType::fp8, report).run(formula.device);
  compare_block_scaled(kinds.block_scaled, formula, report);
  return report;
}

}  // namespace trainyard
