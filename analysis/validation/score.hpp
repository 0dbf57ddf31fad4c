// How good the predictions are, per split_group: errors of time and memory, verdicts on what fits, and whether the
// predicted order of the plans of one job is the measured one. Pure functions of values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/validation/validation.hpp"

namespace trainyard {

// Of errors e = predicted / measured - 1; quantiles interpolate linearly between order statistics.
struct ErrorStatistics {
  int count = 0;
  double mape = 0;         // mean |e|
  double median = 0;       // of |e|
  double p90 = 0;          // of |e|
  double bias = 0;         // mean e
  std::string worst;       // id of the row with the largest |e|
  double worst_error = 0;  // its e
  friend bool operator==(const ErrorStatistics&, const ErrorStatistics&) = default;
};

// Verdicts of rows whose outcome is ok or oom.
struct FitVerdicts {
  int caught = 0;                                   // out of memory, and predicted so
  int missed = 0;                                   // out of memory, predicted to fit
  int false_alarms = 0;                             // ran, predicted out of memory
  int fits = 0;                                     // ran, predicted to fit
  std::optional<double> precision() const;          // nothing where nothing was predicted out of memory
  std::optional<double> recall() const;             // nothing where nothing ran out of memory
  std::optional<double> balanced_accuracy() const;  // mean of the two hit rates; nothing unless both outcomes occur
  friend bool operator==(const FitVerdicts&, const FitVerdicts&) = default;
};

// Over jobs of which at least three different plans were measured; a job is model, GPUs, batch, sequence, precision,
// hardware and software. The chosen plan is the fastest predicted of those predicted to fit; where the measured run of
// the choice went out of memory, the next one is taken and counted.
struct RankingScore {
  int jobs = 0;
  int plans = 0;
  double kendall_tau = 0;  // tau-b, mean over the jobs where it is defined
  double regret = 0;       // chosen / best measured - 1, mean over jobs
  double worst_regret = 0;
  double random_regret = 0;  // of a plan picked blindly among those that ran
  int choices_out_of_memory = 0;
  friend bool operator==(const RankingScore&, const RankingScore&) = default;
};

struct GroupScore {
  std::string group;
  int rows = 0;
  int predicted = 0;
  std::map<std::string, int> skipped;  // reason -> rows
  std::optional<ErrorStatistics> time;
  std::optional<ErrorStatistics> memory;
  FitVerdicts verdicts;
  std::optional<RankingScore> ranking;
  friend bool operator==(const GroupScore&, const GroupScore&) = default;
};

// In the order in which the groups first occur.
std::vector<GroupScore> score_groups(const std::vector<ValidatedRun>& rows);

// Unweighted means over the groups that have the figure (worst: over all), counts and verdicts summed; named "macro".
GroupScore macro_mean(const std::vector<GroupScore>& groups);

// The parts, for tests and other callers. Vectors of equal length.
ErrorStatistics error_statistics(const std::vector<std::pair<std::string, double>>& id_and_error);  // not empty
double quantile(std::vector<double> values, double fraction);                                       // not empty
// Kendall's tau-b of two orders; nothing if one of them is constant.
std::optional<double> kendall_tau_b(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace trainyard
