#include "analysis/calibration/fit_attention_kernel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>

#include "analysis/calibration/fit_attention_solver.hpp"
#include "models/attention_cost.hpp"

namespace trainyard {
namespace {

constexpr double full_width = 128;  // columns of a head that a model's `efficiency` is quoted for
constexpr double block_rows = 128;
constexpr std::int64_t shortest_length = 512;
constexpr double nanosecond = 1e-9, microsecond = 1e-6;

// Where a search starts without a base: FlashAttention-2 on A100, and a cache copied at 0.6 of the HBM's peak.
const AttentionModel usual_kernel{0.6, 200, 0.5, {}};
const PrefillAttention usual_prefill{usual_kernel, 0.6, Seconds(5 * nanosecond), Seconds(10 * microsecond)};

Attention of_width(double columns) {
  Attention a;
  a.d_qk = std::llround(2 * columns) / 2;
  a.d_v = std::llround(2 * columns) - a.d_qk;
  return a;
}

// The order of the searched constants: an efficiency per width, then these.
struct Layout {
  std::vector<double> widths;
  bool prefill = false;
  std::size_t key_overhead() const { return widths.size(); }
  std::size_t fixed() const { return widths.size() + 1; }
  std::size_t cache_passes() const { return widths.size() + 2; }
  std::size_t cache_token() const { return widths.size() + 3; }
  std::size_t tail() const { return widths.size() + (prefill ? 4 : 1); }
};

// `efficiency` belongs to the measured width that is nearest to 128 columns.
std::size_t reference_width(const std::vector<double>& widths) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < widths.size(); ++i)
    if (std::abs(std::log(widths[i] / full_width)) < std::abs(std::log(widths[best] / full_width))) best = i;
  return best;
}

std::vector<double> widths_of(const AttentionSamples& samples) {
  std::set<double> widths;
  for (const AttentionSample* s : samples) widths.insert(head_width(*s));
  return {widths.begin(), widths.end()};
}

std::vector<SearchedConstant> constants_of(const Layout& layout, const FittedAttention& base) {
  std::vector<SearchedConstant> constants;
  for (const double width : layout.widths)
    constants.push_back({fmt::format("efficiency of {:g} columns", width),
                         base.kernel.efficiency * head_width_factor(of_width(width), base.kernel), 0.01, 1.5, 0.1});
  constants.push_back({"key overhead", base.kernel.key_overhead, 0, 5000, 100});
  if (base.prefill) {
    constants.push_back({"fixed", base.prefill->fixed.value / microsecond, 0, 1000, 10});
    // Times of the copy over that at HBM peak: linear in it, unlike in the efficiency.
    constants.push_back({"cache efficiency", 1 / base.prefill->cache_efficiency, 0.2, 50, 1});
    constants.push_back({"cache token", base.prefill->cache_token.value / nanosecond, 0, 1000, 5});
  }
  constants.push_back({"tail", base.kernel.tail, 0, 10, 1});
  return constants;
}

// One width alone says nothing of others: they keep the base's rule.
AttentionModel kernel_of(const Layout& layout, const std::vector<double>& values, const AttentionModel& base) {
  AttentionModel model{0, values[layout.key_overhead()], values[layout.tail()], {}};
  if (layout.widths.size() == 1) {
    model.head_widths = base.head_widths;
    model.efficiency = values[0] / head_width_factor(of_width(layout.widths[0]), base);
    return model;
  }
  model.efficiency = values[reference_width(layout.widths)];
  for (std::size_t i = 0; i < layout.widths.size(); ++i)
    model.head_widths.push_back({layout.widths[i], values[i] / model.efficiency});
  return model;
}

FittedAttention model_of(const Layout& layout, const std::vector<double>& values, const FittedAttention& base) {
  FittedAttention model;
  model.kernel = kernel_of(layout, values, base.kernel);
  if (layout.prefill)
    model.prefill = PrefillAttention{model.kernel, 1 / values[layout.cache_passes()],
                                     Seconds(values[layout.cache_token()] * nanosecond),
                                     Seconds(values[layout.fixed()] * microsecond)};
  return model;
}

FittedAttention usable(FittedAttention base) {
  if (base.kernel.efficiency <= 0) base.kernel = usual_kernel;
  if (!base.prefill) return base;
  if (base.prefill->cache_efficiency <= 0) base.prefill = usual_prefill;
  base.kernel = base.prefill->kernel;
  return base;
}

}  // namespace

Seconds predicted_time(const AttentionSample& sample, const FittedAttention& model, const DeviceProfile& device) {
  return model.prefill ? prefill_attention_time(sample.attention, sample.kv_heads, *model.prefill, device)
                       : attention_time(sample.attention, model.kernel, device);
}

bool is_short(const AttentionSample& sample) { return sample.attention.length < shortest_length; }

bool fills_device(const AttentionSample& sample, const DeviceProfile& device) {
  const Attention& a = sample.attention;
  const double blocks = static_cast<double>(a.sequences) * static_cast<double>(a.heads) *
                        std::ceil(static_cast<double>(a.length) / block_rows);
  return !is_short(sample) && blocks >= static_cast<double>(device.multiprocessors);
}

double head_width(const AttentionSample& sample) {
  return static_cast<double>(sample.attention.d_qk + sample.attention.d_v) / 2.0;
}

int searched_constants(const AttentionSamples& samples, bool prefill) {
  return static_cast<int>(widths_of(samples).size()) + (prefill ? 5 : 2);
}

FittedAttention fit_kernel(const AttentionSamples& samples, const FittedAttention& from, const DeviceProfile& device) {
  const FittedAttention base = usable(from);
  const Layout layout{widths_of(samples), base.prefill.has_value()};
  const std::vector<SearchedConstant> constants = constants_of(layout, base);
  std::vector<double> measured;
  for (const AttentionSample* s : samples) measured.push_back(s->time.value);
  const Prediction predict = [&](const std::vector<double>& values, std::vector<double>& predicted) {
    const FittedAttention model = model_of(layout, values, base);
    for (std::size_t i = 0; i < samples.size(); ++i) predicted[i] = predicted_time(*samples[i], model, device).value;
  };
  const RobustSolution solution = fit_logarithms(constants, predict, measured);
  FittedAttention fitted = model_of(layout, solution.values, base);
  fitted.constants = static_cast<int>(constants.size());
  for (std::size_t i = 0; i < constants.size(); ++i)
    if (!solution.determined[i]) fitted.undetermined.push_back(constants[i].name);
  return fitted;
}

}  // namespace trainyard
