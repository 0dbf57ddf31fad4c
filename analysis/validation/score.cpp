#include "analysis/validation/score.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "analysis/validation/ranking.hpp"

namespace trainyard {
namespace {

double ratio(int part, int whole) { return static_cast<double>(part) / static_cast<double>(whole); }

void count_verdict(FitVerdicts& verdicts, const ValidatedRun& row) {
  const Prediction* prediction = std::get_if<Prediction>(&row.prediction);
  if (!prediction || !row.run.outcome || *row.run.outcome == Outcome::error) return;
  const bool ran = *row.run.outcome == Outcome::ok;
  if (prediction->out_of_memory)
    ++(ran ? verdicts.false_alarms : verdicts.caught);
  else
    ++(ran ? verdicts.fits : verdicts.missed);
}

GroupScore score_group(const std::string& group, const std::vector<const ValidatedRun*>& rows) {
  GroupScore score;
  score.group = group;
  std::vector<std::pair<std::string, double>> time_errors, memory_errors;
  for (const ValidatedRun* row : rows) {
    ++score.rows;
    if (const Skipped* skipped = std::get_if<Skipped>(&row->prediction))
      ++score.skipped[skipped->reason];
    else
      ++score.predicted;
    if (const auto error = step_time_error(*row)) time_errors.emplace_back(row->run.id, *error);
    if (const auto error = memory_error(*row)) memory_errors.emplace_back(row->run.id, *error);
    count_verdict(score.verdicts, *row);
  }
  if (!time_errors.empty()) score.time = error_statistics(time_errors);
  if (!memory_errors.empty()) score.memory = error_statistics(memory_errors);
  score.ranking = ranking_of(rows);
  return score;
}

// Mean of one error block over the groups that have it.
std::optional<ErrorStatistics> macro_errors(const std::vector<GroupScore>& groups,
                                            std::optional<ErrorStatistics> GroupScore::*block) {
  ErrorStatistics mean;
  int having = 0;
  for (const GroupScore& group : groups) {
    const std::optional<ErrorStatistics>& part = group.*block;
    if (!part) continue;
    ++having;
    mean.count += part->count;
    mean.mape += part->mape;
    mean.median += part->median;
    mean.p90 += part->p90;
    mean.bias += part->bias;
    if (std::abs(part->worst_error) <= std::abs(mean.worst_error)) continue;
    mean.worst = part->worst;
    mean.worst_error = part->worst_error;
  }
  if (having == 0) return std::nullopt;
  for (double* figure : {&mean.mape, &mean.median, &mean.p90, &mean.bias}) *figure /= having;
  return mean;
}

std::optional<RankingScore> macro_ranking(const std::vector<GroupScore>& groups) {
  RankingScore mean;
  int having = 0;
  for (const GroupScore& group : groups) {
    if (!group.ranking) continue;
    ++having;
    mean.jobs += group.ranking->jobs;
    mean.plans += group.ranking->plans;
    mean.choices_out_of_memory += group.ranking->choices_out_of_memory;
    mean.kendall_tau += group.ranking->kendall_tau;
    mean.regret += group.ranking->regret;
    mean.random_regret += group.ranking->random_regret;
    mean.worst_regret = std::max(mean.worst_regret, group.ranking->worst_regret);
  }
  if (having == 0) return std::nullopt;
  for (double* figure : {&mean.kendall_tau, &mean.regret, &mean.random_regret}) *figure /= having;
  return mean;
}

}  // namespace

std::optional<double> FitVerdicts::precision() const {
  if (caught + false_alarms == 0) return std::nullopt;
  return ratio(caught, caught + false_alarms);
}

std::optional<double> FitVerdicts::recall() const {
  if (caught + missed == 0) return std::nullopt;
  return ratio(caught, caught + missed);
}

std::optional<double> FitVerdicts::balanced_accuracy() const {
  if (caught + missed == 0 || fits + false_alarms == 0) return std::nullopt;
  return (ratio(caught, caught + missed) + ratio(fits, fits + false_alarms)) / 2;
}

double quantile(std::vector<double> values, double fraction) {
  assert(!values.empty());
  std::sort(values.begin(), values.end());
  const double position = fraction * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (position - static_cast<double>(below)) * (values[above] - values[below]);
}

ErrorStatistics error_statistics(const std::vector<std::pair<std::string, double>>& id_and_error) {
  assert(!id_and_error.empty());
  ErrorStatistics statistics;
  std::vector<double> sizes;
  for (const auto& [id, error] : id_and_error) {
    const double size = std::abs(error);
    sizes.push_back(size);
    statistics.mape += size;
    statistics.bias += error;
    if (!statistics.worst.empty() && size <= std::abs(statistics.worst_error)) continue;
    statistics.worst = id;
    statistics.worst_error = error;
  }
  statistics.count = static_cast<int>(sizes.size());
  statistics.mape /= statistics.count;
  statistics.bias /= statistics.count;
  statistics.median = quantile(sizes, 0.5);
  statistics.p90 = quantile(sizes, 0.9);
  return statistics;
}

std::vector<GroupScore> score_groups(const std::vector<ValidatedRun>& rows) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<const ValidatedRun*>> members;
  for (const ValidatedRun& row : rows) {
    std::vector<const ValidatedRun*>& group = members[row.run.split_group];
    if (group.empty()) order.push_back(row.run.split_group);
    group.push_back(&row);
  }
  std::vector<GroupScore> scores;
  for (const std::string& group : order) scores.push_back(score_group(group, members[group]));
  return scores;
}

GroupScore macro_mean(const std::vector<GroupScore>& groups) {
  GroupScore total;
  total.group = "macro";
  for (const GroupScore& group : groups) {
    total.rows += group.rows;
    total.predicted += group.predicted;
    for (const auto& [reason, count] : group.skipped) total.skipped[reason] += count;
    total.verdicts.caught += group.verdicts.caught;
    total.verdicts.missed += group.verdicts.missed;
    total.verdicts.false_alarms += group.verdicts.false_alarms;
    total.verdicts.fits += group.verdicts.fits;
  }
  total.time = macro_errors(groups, &GroupScore::time);
  total.memory = macro_errors(groups, &GroupScore::memory);
  total.ranking = macro_ranking(groups);
  return total;
}

}  // namespace trainyard
