#include "analysis/calibration/fit_attention_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace trainyard {
namespace {

// Linear between order statistics; not empty.
double quantile_of(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

std::string widths_text(const std::vector<HeadWidth>& widths) {
  std::string text;
  for (const HeadWidth& w : widths)
    text += fmt::format("{}[{:g}, {:.3f}]", text.empty() ? "" : ", ", w.columns, w.relative);
  return fmt::format(", head_widths: [{}]", text);
}

using Series = std::map<std::int64_t, const AttentionSample*>;  // one sample per length

// Of the heads and batch with most lengths; of equals those with most heads.
Series longest_series(const AttentionSamples& samples) {
  std::map<std::tuple<std::int64_t, std::int64_t, double, std::int64_t, bool>, Series> all;
  for (const AttentionSample* s : samples) {
    const Attention& a = s->attention;
    all[{a.heads, s->kv_heads, head_width(*s), a.sequences, a.causal}].emplace(a.length, s);
  }
  Series longest;
  for (const auto& [shape, series] : all)
    if (series.size() >= longest.size()) longest = series;
  return longest;
}

}  // namespace

std::string attention_value(const FittedAttention& model) {
  const AttentionModel& k = model.kernel;
  if (!model.prefill && k.head_widths.empty())
    return fmt::format("[{:.3f}, {:.0f}, {:.2f}]", k.efficiency, k.key_overhead, k.tail);
  std::string text =
      fmt::format("{{efficiency: {:.3f}, key_overhead: {:.0f}, tail: {:.2f}", k.efficiency, k.key_overhead, k.tail);
  if (!k.head_widths.empty()) text += widths_text(k.head_widths);
  if (model.prefill)
    text += fmt::format(", cache_efficiency: {:.3f}, cache_token: {:.2f}ns, fixed: {:.1f}us",
                        model.prefill->cache_efficiency, model.prefill->cache_token.value * 1e9,
                        model.prefill->fixed.value * 1e6);
  return text + "}";
}

Residuals attention_residuals(const AttentionSamples& samples, const FittedAttention& model,
                              const DeviceProfile& device, std::string of, bool held_out) {
  std::vector<double> sizes;
  double sum = 0;
  for (const AttentionSample* s : samples) {
    const double error = predicted_time(*s, model, device) / s->time - 1;
    sum += error;
    sizes.push_back(std::abs(error));
  }
  return {std::move(of),           static_cast<int>(samples.size()), held_out,
          quantile_of(sizes, 0.5), quantile_of(sizes, 0.9),          sum / static_cast<double>(samples.size())};
}

std::string attention_residual_text(const Residuals& r) {
  return fmt::format("median {:.1f} %, p90 {:.1f} % on {} {}samples", 100 * r.median, 100 * r.p90, r.samples,
                     r.held_out ? "held-out " : "");
}

std::vector<FitCurve> attention_curves(const AttentionSamples& samples, const FittedAttention& model,
                                       const DeviceProfile& device, const std::string& constant) {
  constexpr std::size_t fewest_lengths = 3;
  const Series series = longest_series(samples);
  if (series.size() < fewest_lengths) return {};
  const AttentionSample& first = *series.begin()->second;
  FitCurve curve{fmt::format("{}: {} x {}/{} heads of {:g}", constant, first.attention.sequences,
                             first.attention.heads, first.kv_heads, head_width(first)),
                 "sequence length",
                 "microseconds",
                 {},
                 {}};
  for (const auto& [length, sample] : series) {
    const double x = static_cast<double>(length);
    curve.measured.emplace_back(x, sample->time.value * 1e6);
    curve.fitted.emplace_back(x, predicted_time(*sample, model, device).value * 1e6);
  }
  return {std::move(curve)};
}

std::string attention_source(const AttentionSamples& samples) {
  std::set<std::string> files;
  for (const AttentionSample* s : samples)
    if (!s->where.file.empty()) files.insert(s->where.file.substr(s->where.file.find_last_of('/') + 1));
  std::string text = samples.front()->kernel;
  if (!files.empty()) text += ", " + *files.begin();
  if (files.size() > 1) text += fmt::format(" and {} more", files.size() - 1);
  return fmt::format("{}: {} samples", text, samples.size());
}

}  // namespace trainyard
