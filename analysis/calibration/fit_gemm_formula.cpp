#include "analysis/calibration/fit_gemm_formula.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <random>

#include "analysis/calibration/fit_gemm_simplex.hpp"
#include "models/gemm_cost.hpp"

namespace trainyard {
namespace {

// One constant as the search sees it. `step` is also how far from the base it may go at ease.
struct Parameter {
  std::string_view constant;
  double low, high, step;
  double usual;  // of the present GPUs' fits: a second start, since the first may lie in a valley of its own
  double& (*of)(GemmFormula&);
  std::string_view measure;  // what would determine it
};

constexpr std::string_view small_m = "GEMMs of m <= 128";
constexpr std::string_view big_square = "GEMMs of m, n and k from 2048 to 16384";
constexpr std::string_view many_shapes = "GEMMs over a grid of m, n and k from 32 to 16384";

template <std::size_t Class>
double& tile(GemmFormula& f) {
  return f.device.gemm.tile_efficiency[Class];
}
constexpr std::array half_parameters = {
    Parameter{"gemm.sustained", 0.2, 1.0, 0.1, 0.85, [](GemmFormula& f) -> double& { return f.device.gemm.sustained; },
              big_square},
    Parameter{"gemm.tile_efficiency", 0.2, 1.0, 0.1, 0.95, tile<1>, many_shapes},
    Parameter{"gemm.tile_efficiency", 0.1, 1.0, 0.1, 0.85, tile<2>, many_shapes},
    Parameter{"gemm.tile_efficiency", 0.1, 1.0, 0.1, 0.75, tile<3>, many_shapes},
    Parameter{"gemm.tile_efficiency", 0.05, 1.0, 0.1, 0.7, tile<4>, many_shapes},
    Parameter{"gemm.tile_efficiency", 0.02, 1.0, 0.1, 0.25, tile<5>, small_m},
    Parameter{"gemm.k_overhead", 0, 1000, 100, 150, [](GemmFormula& f) -> double& { return f.device.gemm.k_overhead; },
              "GEMMs of k from 128 to 1024"},
    Parameter{"gemm.wave_softness", 0, 1, 0.2, 0.3,
              [](GemmFormula& f) -> double& { return f.device.gemm.wave_softness; }, many_shapes},
    Parameter{"gemm.memory_efficiency", 0.2, 1, 0.1, 0.8,
              [](GemmFormula& f) -> double& { return f.device.gemm.memory_efficiency; }, small_m},
    Parameter{"gemm.fixed", 0, 20e-6, 1e-6, 2.5e-6, [](GemmFormula& f) -> double& { return f.device.gemm.fixed.value; },
              "GEMMs of m, n and k <= 256"},
    Parameter{"gemm.blend", 1, 10, 1, 4, [](GemmFormula& f) -> double& { return f.device.gemm.blend; },
              "GEMMs of m from 64 to 512"},
    Parameter{"gemm.split_k_traffic", 0, 5, 1, 2,
              [](GemmFormula& f) -> double& { return f.device.gemm.split_k_traffic; },
              "GEMMs of small m and n and large k"}};

constexpr double most_overhead = 4000;  // elements of K
constexpr std::array fp8_parameters = {
    Parameter{"fp8.sustained", 0.1, 1.0, 0.1, 0.75, [](GemmFormula& f) -> double& { return f.device.fp8.sustained; },
              big_square},
    Parameter{"fp8.k_overhead", 0, most_overhead, 200, 400,
              [](GemmFormula& f) -> double& { return f.device.fp8.k_overhead; }, "GEMMs of k from 256 to 4096"}};
constexpr std::array fp4_parameters = {
    Parameter{"fp4.sustained", 0.1, 1.0, 0.1, 0.6, [](GemmFormula& f) -> double& { return f.device.fp4.sustained; },
              big_square},
    Parameter{"fp4.k_overhead", 0, most_overhead, 200, 1000,
              [](GemmFormula& f) -> double& { return f.device.fp4.k_overhead; }, "GEMMs of k from 256 to 4096"}};
// 1 ps per element is 3 bytes at 3 TB/s; 132 SMs that start a block each in 1 us make 8 ns per row.
constexpr std::array cast_parameters = {
    Parameter{"", 0, 50e-6, 1e-6, 2e-6, [](GemmFormula& f) -> double& { return f.cast.fixed.value; }, ""},
    Parameter{"", 0, 50e-9, 2e-9, 5e-9, [](GemmFormula& f) -> double& { return f.cast.per_row.value; }, ""},
    Parameter{"", 0, 20e-12, 1e-12, 2e-12, [](GemmFormula& f) -> double& { return f.cast.per_element.value; }, ""}};

using Parameters = std::vector<Parameter>;
Parameters parameters_of(DataType type) {
  if (type == DataType::fp8) return {fp8_parameters.begin(), fp8_parameters.end()};
  if (type == DataType::nvfp4) return {fp4_parameters.begin(), fp4_parameters.end()};
  return {half_parameters.begin(), half_parameters.end()};
}

// The same in every run and on every machine.
GemmSamples subsample(const GemmSamples& all, std::size_t most) {
  if (all.size() <= most) return all;
  std::mt19937_64 random(1);
  GemmSamples some;
  for (const GemmSample* s : all)
    if (random() % all.size() < most) some.push_back(s);
  return some;
}

// Quadratic up to `knee` of log(predicted / measured), linear beyond; slope 1.
double huber(double x) {
  constexpr double knee = 0.05;  // the scatter of library heuristics from shape to shape
  const double a = std::abs(x);
  return a < knee ? a * a / (2 * knee) : a - knee / 2;
}

class Search {
 public:
  Search(GemmFormula& formula, const GemmSamples& samples, const Parameters& parameters)
      : formula_(formula), samples_(samples), parameters_(parameters) {
    for (const Parameter& p : parameters_) base_.push_back(std::clamp(p.of(formula_) / p.step, low(p), high(p)));
    set(base_);
  }

  double loss(const std::vector<double>& at) {
    constexpr double pull = 1e-4;  // three steps off the base are worth 0.1 % of error
    set(at);
    double away = 0;
    for (std::size_t i = 0; i < at.size(); ++i) away += (at[i] - base_[i]) * (at[i] - base_[i]);
    return misfit() + pull * away;
  }
  std::vector<double> search(const std::vector<double>& start, int evaluations) {
    std::vector<SearchVariable> variables;
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      variables.push_back({start[i], low(parameters_[i]), high(parameters_[i]), 1.0});
    return least([this](const std::vector<double>& at) { return loss(at); }, variables, evaluations);
  }
  const std::vector<double>& base() const { return base_; }
  std::vector<double> usual() const {
    std::vector<double> at;
    for (const Parameter& p : parameters_) at.push_back(p.usual / p.step);
    return at;
  }

 private:
  static double low(const Parameter& p) { return p.low / p.step; }
  static double high(const Parameter& p) { return p.high / p.step; }
  void set(const std::vector<double>& at) {
    for (std::size_t i = 0; i < at.size(); ++i) parameters_[i].of(formula_) = at[i] * parameters_[i].step;
  }
  double misfit() const {
    double sum = 0, weights = 0;
    for (const GemmSample* s : samples_) {
      const double weight = std::min({s->gemm.m, s->gemm.n, s->gemm.k}) >= training_extent ? 1.0 : 0.25;
      sum += weight * huber(std::log(sample_time(formula_, s->gemm) / s->time));
      weights += weight;
    }
    return sum / weights;
  }

  static constexpr std::int64_t training_extent = 512;  // the GEMMs of training steps are larger
  GemmFormula& formula_;
  const GemmSamples& samples_;
  const Parameters& parameters_;
  std::vector<double> base_;
};

constexpr int evaluations_per_parameter = 150;
constexpr std::size_t most_samples = 2000;

// Two searches, the better taken.
std::vector<double> searched(Search& search, std::size_t parameters) {
  const int evaluations = evaluations_per_parameter * static_cast<int>(parameters);
  const std::vector<double> near = search.search(search.base(), evaluations);
  const std::vector<double> far = search.search(search.usual(), evaluations);
  return search.loss(far) < search.loss(near) ? far : near;
}

void add_once(std::vector<std::string_view>& words, std::string_view word) {
  if (!word.empty() && std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
}

// What hardly matters goes back to its base and gets a note. Leaves the solution in the formula, returns its loss.
double fit(GemmFormula& formula, const GemmSamples& samples, const Parameters& parameters) {
  constexpr double matters = 0.005;  // relative rise of the loss
  Search search(formula, samples, parameters);
  std::vector<double> at = searched(search, parameters.size());
  std::vector<std::string_view> fitted, kept, measure;
  for (std::size_t i = 0; i < at.size(); ++i) {
    std::vector<double> without = at;
    without[i] = search.base()[i];
    if (search.loss(without) > (1 + matters) * search.loss(at)) {
      at[i] = std::round(at[i] * 100) / 100;  // as it is written
      add_once(fitted, parameters[i].constant);
    } else {
      at = without;
      add_once(kept, parameters[i].constant);
      add_once(measure, parameters[i].measure);
    }
  }
  formula.fitted.insert(formula.fitted.end(), fitted.begin(), fitted.end());
  std::erase_if(kept, [&](std::string_view k) { return std::find(fitted.begin(), fitted.end(), k) != fitted.end(); });
  if (!kept.empty())
    formula.notes.push_back(fmt::format("{}: no other value explains these samples better; to be surer, measure {}",
                                        fmt::join(kept, ", "), fmt::join(measure, "; ")));
  return search.loss(at);
}

// Few columns make few FLOPs: what such samples take beyond their traffic is the cast, if the times hold one.
void fit_cast(GemmFormula& formula, const GemmSamples& all) {
  constexpr std::int64_t few_columns = 128;
  constexpr std::int64_t many_rows = 4096;  // that fill the device
  constexpr std::size_t telling_samples = 20;
  constexpr double cast_matters = 0.5;  // of the loss without one
  GemmSamples narrow;
  std::copy_if(all.begin(), all.end(), std::back_inserter(narrow),
               [](const GemmSample* s) { return s->gemm.n <= few_columns && s->gemm.m >= many_rows; });
  if (narrow.size() < telling_samples) return;
  narrow = subsample(narrow, most_samples);
  const Parameters cast(cast_parameters.begin(), cast_parameters.end());
  const GemmFormula without = formula;
  const double loss_without = Search(formula, narrow, cast).loss({0, 0, 0});
  if (fit(formula, narrow, cast) > cast_matters * loss_without) formula = without;
}

// Leaves only the sustained rate among the parameters where there are too few samples for all of them.
bool enough_samples(GemmFormula& formula, std::size_t samples, Parameters& parameters) {
  constexpr std::size_t samples_per_constant = 5;
  const std::size_t needed =
      std::max(samples_per_constant * half_parameters.size(), surface_of(formula.device, formula.type).ratio.size());
  if (samples >= needed) return true;
  const bool none = samples < samples_per_constant;
  formula.notes.push_back(fmt::format("{} samples {}, measure at least {} for tiles, waves and the surface of ratios",
                                      samples, none ? "determine nothing" : "give the level only", needed));
  parameters.resize(none ? 0 : 1);
  return false;
}

}  // namespace

Seconds sample_time(const GemmFormula& formula, const Gemm& gemm) {
  const double m = static_cast<double>(gemm.m), k = static_cast<double>(gemm.k);
  const OperandCast& cast = formula.cast;
  return benchmark_gemm_time(gemm, formula.device) + cast.fixed +
         Seconds(m * std::hypot(cast.per_row.value, k * cast.per_element.value));
}

GemmSurface& surface_of(DeviceProfile& device, DataType type) {
  if (type == DataType::fp8) return device.fp8.surface;
  if (type == DataType::nvfp4) return device.fp4.surface;
  return device.gemm.surface;
}

GemmFormula fit_gemm_formula(const GemmSamples& samples, DataType type, const DeviceProfile& base) {
  GemmFormula formula{base, type, {}, {}, {}, false};
  formula.device.provenance.clear();
  Parameters parameters = parameters_of(type);
  formula.complete = enough_samples(formula, samples.size(), parameters);
  if (formula.complete) surface_of(formula.device, type) = {};
  if (parameters.empty()) return formula;
  if (type == DataType::fp8 || type == DataType::nvfp4) fit_cast(formula, samples);
  fit(formula, subsample(samples, most_samples), parameters);
  return formula;
}

}  // namespace trainyard
