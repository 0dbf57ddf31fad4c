#include "analysis/calibration/fit_gemm_residuals.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <utility>

namespace trainyard {
namespace {

struct Comparison {
  double predicted = 0;
  double measured = 0;
};
using Comparisons = std::vector<Comparison>;

double quantile(std::vector<double> values, double share) {
  const auto place = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + place, values.end());
  return values[static_cast<std::size_t>(place)];
}

Residuals summary(const Comparisons& all, std::string of, bool held_out) {
  Residuals out{std::move(of), static_cast<int>(all.size()), held_out, 0, 0, 0};
  if (all.empty()) return out;
  std::vector<double> errors;
  for (const Comparison& c : all) {
    const double error = c.predicted / c.measured - 1;
    errors.push_back(std::abs(error));
    out.bias += error / static_cast<double>(all.size());
  }
  out.median = quantile(errors, 0.5);
  out.p90 = quantile(errors, 0.9);
  return out;
}

Comparisons compared(const GemmSamples& samples, const GemmFormula& formula) {
  Comparisons out;
  for (const GemmSample* s : samples) out.push_back({sample_time(formula, s->gemm).value, s->time.value});
  return out;
}

template <class Condition>
GemmSamples those(const GemmSamples& samples, Condition condition) {
  GemmSamples out;
  std::copy_if(samples.begin(), samples.end(), std::back_inserter(out),
               [&](const GemmSample* s) { return condition(s->gemm); });
  return out;
}
constexpr std::int64_t training_extent = 512;
bool many_rows(const Gemm& g) { return g.m >= training_extent; }
bool big(const Gemm& g) { return std::min({g.m, g.n, g.k}) >= training_extent; }

// The four GEMMs of a transformer block have m in common, the tokens of a micro-batch.
Comparisons sums_of_four(const GemmSamples& samples, const GemmFormula& formula) {
  constexpr int draws = 100;  // per m
  std::map<std::int64_t, GemmSamples> by_m;
  for (const GemmSample* s : samples)
    if (big(s->gemm) && s->gemm.m >= 2 * training_extent) by_m[s->gemm.m].push_back(s);
  std::mt19937_64 random(1);
  Comparisons out;
  for (const auto& [m, same] : by_m) {
    if (same.size() < 8) continue;
    const Comparisons each = compared(same, formula);
    for (int draw = 0; draw < draws; ++draw) {
      Comparison sum;
      for (int i = 0; i < 4; ++i) {
        const Comparison& one = each[random() % each.size()];
        sum.predicted += one.predicted;
        sum.measured += one.measured;
      }
      out.push_back(sum);
    }
  }
  return out;
}

using Pair = std::pair<std::int64_t, std::int64_t>;

FitCurve rate_curve(const GemmSamples& samples, const GemmFormula& formula, const std::string& of, const Pair& pair) {
  FitCurve curve{fmt::format("{}, n = {}, k = {}", of, pair.first, pair.second), "m", "TFLOP/s", {}, {}};
  GemmSamples same = those(samples, [&](const Gemm& g) { return Pair(g.n, g.k) == pair; });
  std::sort(same.begin(), same.end(), [](const auto* a, const auto* b) { return a->gemm.m < b->gemm.m; });
  for (const GemmSample* s : same) {
    const double m = static_cast<double>(s->gemm.m);
    const double work = 2e-12 * m * static_cast<double>(pair.first) * static_cast<double>(pair.second);
    curve.measured.emplace_back(m, work / s->time.value);
    curve.fitted.emplace_back(m, work / sample_time(formula, s->gemm).value);
  }
  return curve;
}

}  // namespace

bool left_out(const GemmSample& s, GemmSplit split) {
  const std::string pair = fmt::format("{} x {}", s.gemm.n, s.gemm.k);
  return held_out(split == GemmSplit::pairs ? pair : fmt::format("{} x {}", s.gemm.m, pair));
}

Residuals residuals_of(const GemmSamples& samples, const GemmFormula& formula, std::string of, bool held_out) {
  return summary(compared(samples, formula), std::move(of), held_out);
}

std::vector<Residuals> gemm_residuals(const GemmSamples& samples, const GemmFormula& formula, const std::string& of,
                                      bool held_out) {
  std::vector<Residuals> all = {residuals_of(samples, formula, of, held_out),
                                residuals_of(those(samples, many_rows), formula, of + ", m >= 512", held_out),
                                residuals_of(those(samples, big), formula, of + ", m, n, k >= 512", held_out),
                                summary(sums_of_four(samples, formula), of + ", sums of 4 of one m", held_out)};
  std::erase_if(all, [](const Residuals& r) { return r.samples == 0; });
  return all;
}

std::vector<FitCurve> gemm_curves(const GemmSamples& samples, const GemmFormula& formula, const std::string& of) {
  std::map<Pair, int> pairs;
  for (const GemmSample* s : samples) ++pairs[{s->gemm.n, s->gemm.k}];
  std::vector<FitCurve> curves;
  std::vector<Pair> shown;
  for (const double extent : {8192.0, 1024.0}) {
    const auto distance = [&](const Pair& p) {
      return std::abs(std::log(static_cast<double>(p.first) / extent)) +
             std::abs(std::log(static_cast<double>(p.second) / extent));
    };
    const auto nearest = std::min_element(pairs.begin(), pairs.end(), [&](const auto& a, const auto& b) {
      return distance(a.first) < distance(b.first);
    });
    if (nearest == pairs.end() || std::find(shown.begin(), shown.end(), nearest->first) != shown.end()) continue;
    shown.push_back(nearest->first);
    curves.push_back(rate_curve(samples, formula, of, nearest->first));
  }
  return curves;
}

std::string residual_text(const Residuals& r) {
  return fmt::format("median {:.1f} %, p90 {:.1f} % on {} {}samples", 100 * r.median, 100 * r.p90, r.samples,
                     r.held_out ? "held-out " : "");
}

}  // namespace trainyard
