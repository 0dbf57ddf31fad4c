#include "analysis/sweep/sensitivity.hpp"

#include <fmt/format.h>

#include <array>
#include <tuple>

#include "analysis/plan_words.hpp"
#include "analysis/sweep/ranked_plans.hpp"

namespace trainyard {
namespace {

bool faster(const EvaluatedPlan& a, const EvaluatedPlan& b) {
  return std::tie(a.step_time, a.index) < std::tie(b.step_time, b.index);
}

// The fastest on the changed machine of what is known and what is found.
std::optional<EvaluatedPlan> best_on(const Sweep& changed, const Routes& routes, Evaluator& evaluator,
                                     const std::vector<EvaluatedPlan>& known, const Planner& planner) {
  std::optional<EvaluatedPlan> best;
  const auto offer = [&best](const EvaluatedPlan& plan) {
    if (!best || faster(plan, *best)) best = plan;
  };
  for (const EvaluatedPlan& plan : known)
    if (const std::optional<EvaluatedPlan> there = evaluator.evaluate(plan.index)) offer(*there);
  for (const EvaluatedPlan& plan : planner(changed, routes).plans) offer(plan);
  return best;
}

Sensitivity sensitivity(const Sweep& sweep, const std::vector<EvaluatedPlan>& known, const MachineChange& change,
                        const Planner& planner) {
  Sweep changed = sweep;
  change.apply(changed.job);
  const Routes routes(changed.job.cluster);
  Evaluator evaluator(changed, routes);
  Sensitivity result;
  result.change = change.name;
  if (!known.empty())
    if (const std::optional<EvaluatedPlan> kept = evaluator.evaluate(known.front().index))
      result.kept_plan_step = kept->step_time;
  if (const std::optional<EvaluatedPlan> best = best_on(changed, routes, evaluator, known, planner)) {
    result.best_line = line_of(changed, best->index);
    result.step_time = best->step_time;
    result.same_plan = !known.empty() && best->index == known.front().index;
    if (!known.empty()) result.gain = 1.0 - best->step_time / known.front().step_time;
  } else {
    result.same_plan = false;
  }
  return result;
}

template <class Scale>
void add(std::vector<MachineChange>& changes, std::string_view what, double factor, Scale scale) {
  changes.push_back({fmt::format("{} x {}", what, factor), [scale, factor](Job& job) { scale(job, factor); }});
}

}  // namespace

void scale_nics(Cluster& cluster, double factor) { cluster.nic_bandwidth *= factor; }

void scale_gpu_memory(Cluster& cluster, double factor) { cluster.gpu_memory *= factor; }

// By the formula in gemm_cost.hpp: arithmetic and memory rates of the kernels, and the time per launch. With all of
// them the choice of tiles, and the clock that depends on how busy the tensor cores are, stay as they are.
void scale_gemm_efficiency(DeviceProfile& device, double factor) {
  device.gemm.sustained *= factor;
  device.fp8.sustained *= factor;
  device.fp4.sustained *= factor;
  device.batched_gemm_efficiency *= factor;
  device.gemm.memory_efficiency *= factor;
  device.gemm.fixed *= 1.0 / factor;
}

std::vector<MachineChange> machine_changes(const Cluster& cluster) {
  std::vector<MachineChange> changes;
  if (cluster.nodes > cluster.nodes_per_nvlink_domain)
    for (const double factor : {0.5, 2.0})
      add(changes, "NIC bandwidth", factor, [](Job& job, double f) { scale_nics(job.cluster, f); });
  for (const double factor : {0.5, 1.5, 2.0})
    add(changes, "HBM size", factor, [](Job& job, double f) { scale_gpu_memory(job.cluster, f); });
  for (const double factor : {0.9, 1.1})
    add(changes, "GEMM efficiency", factor, [](Job& job, double f) { scale_gemm_efficiency(job.profile.device, f); });
  return changes;
}

std::vector<Sensitivity> sensitivities(const Sweep& sweep, const std::vector<EvaluatedPlan>& known,
                                       const std::vector<MachineChange>& changes, const Planner& planner,
                                       const std::atomic<bool>* stop) {
  std::vector<Sensitivity> results;
  for (const MachineChange& change : changes) {
    if (stop != nullptr && stop->load()) break;
    results.push_back(sensitivity(sweep, known, change, planner));
  }
  return results;
}

}  // namespace trainyard
