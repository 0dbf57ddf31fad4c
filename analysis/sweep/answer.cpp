#include "analysis/sweep/answer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/sweep/closest_plan.hpp"
#include "analysis/sweep/launch_arguments.hpp"
#include "analysis/sweep/placement_worth.hpp"
#include "analysis/sweep/ranked_plans.hpp"
#include "analysis/sweep/run_sweep.hpp"
#include "analysis/sweep/sensitivity.hpp"
#include "analysis/version.hpp"

namespace trainyard {
namespace {

SweepAnswer heading_of(const Sweep& sweep) {
  SweepAnswer answer;
  answer.name = sweep.job.name;
  answer.model = sweep.job.model.name;
  answer.cluster = fmt::format("{} × {}", sweep.job.cluster.nodes, sweep.job.cluster.name);
  answer.gpus = sweep.job.cluster.world_size();
  answer.hash = sweep.hash;
  answer.version = version();
  return answer;
}

// Each warning once, in the order in which they came up.
void add_warnings(SweepAnswer& answer, const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings)
    if (std::find(answer.warnings.begin(), answer.warnings.end(), warning) == answer.warnings.end())
      answer.warnings.push_back(warning);
}

// The next plan that is cut otherwise, else the second.
std::vector<std::string> why_the_next_loses(const std::vector<TimedPlan>& timed) {
  if (timed.size() < 2) return {};
  const auto next = std::find_if(timed.begin() + 1, timed.end(),
                                 [&](const TimedPlan& other) { return !cut_alike(timed.front().plan, other.plan); });
  return why_it_loses(timed.front(), next == timed.end() ? timed[1] : *next);
}

std::vector<ParetoPlan> front_of(const Sweep& sweep, const std::vector<EvaluatedPlan>& plans) {
  std::vector<ParetoPlan> front;
  const std::vector<std::string> lines = lines_of(sweep, plans);
  for (std::size_t i = 0; i < plans.size(); ++i)
    front.push_back({plans[i].index, lines[i], plans[i].step_time, plans[i].peak, plans[i].reserved});
  return front;
}

// What may be the best on another machine: the best here, and smaller plans.
std::vector<EvaluatedPlan> worth_trying(const std::vector<EvaluatedPlan>& best,
                                        const std::vector<EvaluatedPlan>& front) {
  std::vector<EvaluatedPlan> plans = best;
  plans.insert(plans.end(), front.begin(), front.end());
  return plans;
}

void describe_best(const Sweep& sweep, const Routes& routes, const std::vector<EvaluatedPlan>& best,
                   const std::atomic<bool>& stop, SweepAnswer& answer) {
  RankedPlans ranked = ranked_plans(sweep, routes, best, &stop);
  if (stop.load()) return;
  Evaluator evaluator(sweep, routes);
  answer.memory_limit = ranked.memory_limit;
  answer.launch = launch_arguments(ranked.timed.front().plan, sweep.job.workload, sweep.job.model);
  answer.launch.push_back(simulate_arguments(ranked.plans.front().settings));
  answer.runner_up = why_the_next_loses(ranked.timed);
  if (sweep.space.variants() > 1) answer.placement = placement_worth(sweep.space, evaluator, best.front().index);
  answer.best = std::move(ranked.plans);
  add_warnings(answer, ranked.warnings);
}

}  // namespace

std::optional<SweepAnswer> make_answer(const Sweep& sweep, const Routes& routes, const ResultStore& store,
                                       const std::atomic<bool>& stop) {
  SweepAnswer answer = heading_of(sweep);
  answer.counts = store.counts();
  add_warnings(answer, sweep.warnings);
  add_warnings(answer, sweep.job.warnings);
  const std::vector<EvaluatedPlan> best = store.fastest(sweep.top);
  const std::vector<EvaluatedPlan> front = store.pareto();
  answer.pareto = front_of(sweep, front);
  if (!best.empty()) {
    describe_best(sweep, routes, best, stop, answer);
  } else if (const std::optional<ClosestFit> closest = closest_fit(sweep, routes)) {
    answer.closest = closest->plan;
    answer.memory_limit = closest->limit;
  }
  const bool some_run = !best.empty() || answer.counts.out_of_memory > 0;  // here, or perhaps elsewhere
  if (some_run && !stop.load())
    answer.sensitivity =
        sensitivities(sweep, worth_trying(best, front), machine_changes(sweep.job.cluster), search, &stop);
  if (stop.load()) return std::nullopt;
  return answer;
}

SweepAnswer make_answer(const Sweep& sweep, const Routes& routes, const ResultStore& store) {
  const std::atomic<bool> never = false;
  return *make_answer(sweep, routes, store, never);
}

}  // namespace trainyard
