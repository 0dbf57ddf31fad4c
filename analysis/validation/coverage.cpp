#include "analysis/validation/coverage.hpp"

#include <map>

#include "analysis/validation/score.hpp"

namespace trainyard {
namespace {

struct Ratio {
  double value;  // measured / predicted
  bool inside;
};

std::optional<Ratio> ratio_of(const ValidatedRun& row) {
  const Prediction* prediction = std::get_if<Prediction>(&row.prediction);
  const std::optional<Seconds> measured = row.run.measured_step_time();
  if (prediction == nullptr || !measured || !(prediction->step_time.value > 0)) return std::nullopt;
  const double ratio = *measured / prediction->step_time;
  return Ratio{ratio, ratio >= row.profile.step_time_p10 && ratio <= row.profile.step_time_p90};
}

StackCoverage coverage_of(const std::string& stack, const std::vector<Ratio>& ratios) {
  StackCoverage one;
  one.stack = stack;
  std::vector<double> values;
  for (const Ratio& ratio : ratios) {
    values.push_back(ratio.value);
    one.inside += ratio.inside ? 1 : 0;
  }
  one.rows = static_cast<int>(values.size());
  one.measured_p10 = quantile(values, 0.1);
  one.measured_p90 = quantile(values, 0.9);
  return one;
}

}  // namespace

std::vector<StackCoverage> coverage_by_stack(const std::vector<ValidatedRun>& rows) {
  std::map<std::string, std::vector<Ratio>> ratios;
  std::map<std::string, RowProfile> profiles;
  for (const ValidatedRun& row : rows) {
    const std::optional<Ratio> ratio = ratio_of(row);
    if (!ratio) continue;
    ratios[row.profile.stack].push_back(*ratio);
    profiles.emplace(row.profile.stack, row.profile);
  }
  std::vector<StackCoverage> all;
  for (const auto& [stack, of_stack] : ratios) {
    StackCoverage& one = all.emplace_back(coverage_of(stack, of_stack));
    one.p10 = profiles.at(stack).step_time_p10;
    one.p90 = profiles.at(stack).step_time_p90;
  }
  return all;
}

std::optional<StackCoverage> coverage(const std::vector<ValidatedRun>& rows) {
  std::vector<Ratio> ratios;
  for (const ValidatedRun& row : rows)
    if (const std::optional<Ratio> ratio = ratio_of(row)) ratios.push_back(*ratio);
  if (ratios.empty()) return std::nullopt;
  return coverage_of("all stacks", ratios);
}

}  // namespace trainyard
