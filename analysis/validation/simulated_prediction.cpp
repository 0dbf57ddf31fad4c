#include "analysis/validation/simulated_prediction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "analysis/simulate.hpp"
#include "sim/plan/check_plan.hpp"
#include "topology/routes.hpp"

namespace trainyard {
namespace {

class RoutesByCluster {
 public:
  std::shared_ptr<const Routes> of(const Cluster& cluster) {
    const std::lock_guard lock(mutex_);
    const auto known =
        std::find_if(routes_.begin(), routes_.end(), [&](const auto& r) { return r->cluster() == cluster; });
    if (known != routes_.end()) return *known;
    return routes_.emplace_back(std::make_shared<const Routes>(cluster));
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<const Routes>> routes_;
};

// What is wrong with the plan itself comes before what we cannot express.
std::optional<std::string> objection(const Job& job) {
  const std::vector<PlanProblem> problems = check_plan(job.plan, job.model, job.workload, job.cluster);
  if (problems.empty()) return std::nullopt;
  const auto wrong =
      std::find_if(problems.begin(), problems.end(), [](const PlanProblem& p) { return !p.unsupported; });
  return wrong != problems.end() ? fmt::format("infeasible: {}", wrong->reason) : problems.front().reason;
}

std::variant<Prediction, Skipped> predicted(const Job& job, RoutesByCluster& routes) {
  if (const std::optional<std::string> reason = objection(job)) return Skipped{*reason};
  try {
    const StepResult result = simulate_step(job, *routes.of(job.cluster)).result;
    return Prediction{
        .step_time = result.step_time, .peak_memory = result.memory.peak(), .out_of_memory = !result.memory.fits};
  } catch (const std::exception& failure) {  // one row must not cost the others their answer
    return Skipped{fmt::format("the simulation failed: {}", failure.what())};
  }
}

}  // namespace

Predictor simulated_prediction() {
  return [routes = std::make_shared<RoutesByCluster>()](const Job& job) { return predicted(job, *routes); };
}

}  // namespace trainyard
