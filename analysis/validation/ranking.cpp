#include "analysis/validation/ranking.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

namespace trainyard {
namespace {

constexpr std::size_t fewest_plans = 3;

// Everything that makes runs comparable but the plan.
std::string job_key(const PublishedRun& run) {
  const auto number = [](const std::optional<std::int64_t>& value) { return value.value_or(0); };
  return fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", run.model, number(run.layers), number(run.hidden),
                     number(run.heads), number(run.gpus), number(run.global_batch), number(run.seq_len), run.precision,
                     run.hardware, run.network, run.software, run.flash_attention, run.date);
}

std::string plan_key(const PublishedRun& run) {
  return fmt::format("{}|{}|{}|{}|{}", published_plan(run), run.schedule, run.sharding, run.recompute,
                     run.sp.value_or(false));
}

struct JobRanking {
  std::size_t plans = 0;
  std::optional<double> tau;
  double regret = 0;
  double random_regret = 0;
  int choices_out_of_memory = 0;
};

struct MeasuredPlan {
  const ValidatedRun* row = nullptr;
  Prediction prediction;
  std::optional<double> measured;  // seconds; nothing if it went out of memory
};

std::vector<MeasuredPlan> measured_plans(const std::vector<const ValidatedRun*>& rows) {
  std::vector<MeasuredPlan> plans;
  for (const ValidatedRun* row : rows) {
    const Prediction* prediction = std::get_if<Prediction>(&row->prediction);
    const std::optional<Seconds> seconds = row->run.measured_step_time();
    if (!prediction || (!seconds && row->run.outcome != Outcome::oom)) continue;
    plans.push_back({row, *prediction, seconds ? std::optional(seconds->value) : std::nullopt});
  }
  return plans;
}

std::optional<JobRanking> rank_job(const std::vector<const ValidatedRun*>& rows) {
  std::vector<MeasuredPlan> plans = measured_plans(rows);
  std::vector<double> measured, predicted;
  std::set<std::string> different;
  for (const MeasuredPlan& plan : plans) {
    if (!plan.measured) continue;
    measured.push_back(*plan.measured);
    predicted.push_back(plan.prediction.step_time.value);
    different.insert(plan_key(plan.row->run));
  }
  if (different.size() < fewest_plans) return std::nullopt;
  const double best = *std::min_element(measured.begin(), measured.end());
  JobRanking ranking{.plans = measured.size(), .tau = kendall_tau_b(predicted, measured)};
  for (const double seconds : measured)
    ranking.random_regret += (seconds / best - 1.0) / static_cast<double>(measured.size());
  // Stable: plans predicted alike keep the table's order.
  std::stable_sort(plans.begin(), plans.end(), [](const MeasuredPlan& a, const MeasuredPlan& b) {
    return std::tuple(a.prediction.out_of_memory, a.prediction.step_time) <
           std::tuple(b.prediction.out_of_memory, b.prediction.step_time);
  });
  const auto chosen =
      std::find_if(plans.begin(), plans.end(), [](const MeasuredPlan& p) { return p.measured.has_value(); });
  ranking.choices_out_of_memory = static_cast<int>(chosen - plans.begin());
  ranking.regret = *chosen->measured / best - 1.0;
  return ranking;
}

int sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

}  // namespace

std::optional<double> kendall_tau_b(const std::vector<double>& a, const std::vector<double>& b) {
  double concordance = 0, untied_in_a = 0, untied_in_b = 0;  // sums over pairs
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = i + 1; j < a.size(); ++j) {
      const int order_a = sign(a[i] - a[j]), order_b = sign(b[i] - b[j]);
      concordance += order_a * order_b;
      untied_in_a += order_a != 0;
      untied_in_b += order_b != 0;
    }
  if (untied_in_a == 0 || untied_in_b == 0) return std::nullopt;
  return concordance / std::sqrt(untied_in_a * untied_in_b);
}

std::optional<RankingScore> ranking_of(const std::vector<const ValidatedRun*>& rows) {
  std::map<std::string, std::vector<const ValidatedRun*>> jobs;
  for (const ValidatedRun* row : rows) jobs[job_key(row->run)].push_back(row);
  RankingScore score;
  int with_tau = 0;
  for (const auto& [key, members] : jobs) {
    const std::optional<JobRanking> job = rank_job(members);
    if (!job) continue;
    ++score.jobs;
    score.plans += static_cast<int>(job->plans);
    score.regret += job->regret;
    score.worst_regret = std::max(score.worst_regret, job->regret);
    score.random_regret += job->random_regret;
    score.choices_out_of_memory += job->choices_out_of_memory;
    if (!job->tau) continue;
    score.kendall_tau += *job->tau;
    ++with_tau;
  }
  if (score.jobs == 0) return std::nullopt;
  score.regret /= score.jobs;
  score.random_regret /= score.jobs;
  if (with_tau > 0) score.kendall_tau /= with_tau;
  return score;
}

}  // namespace trainyard
