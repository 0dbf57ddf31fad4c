#include "analysis/sweep/evaluate.hpp"

#include <algorithm>

#include "analysis/simulate.hpp"
#include "sim/plan/check_plan.hpp"

namespace trainyard {

class Evaluator::Impl {
 public:
  Impl(const Sweep& sweep, const Routes& routes) : sweep_(sweep), routes_(routes), job_(sweep.job) {}

  std::optional<EvaluatedPlan> evaluate(PlanIndex index, SweepCounts& counts) {
    const StructureIndex s = index / sweep_.space.variants();
    if (!sweep_.space.structure(s)) return ++counts.excluded, std::nullopt;
    job_.plan = sweep_.space.plan(index);
    const std::vector<PlanProblem> problems = check_plan(job_.plan, job_.model, job_.workload, job_.cluster);
    if (!problems.empty()) {
      ++counts.infeasible;
      ++counts.infeasible_reasons[problems.front().axis];
      return std::nullopt;
    }
    const SimulatedStep step = simulate_step(job_, routes_);
    if (!step.result.memory.fits) return ++counts.out_of_memory, std::nullopt;
    ++counts.evaluated;
    EvaluatedPlan plan;
    plan.index = index;
    plan.key = canonical_key(step.plan);
    plan.step_time = step.result.step_time;
    plan.mfu = step.result.mfu;
    for (const StageMemory& stage : step.result.memory.stages) {
      plan.peak = std::max(plan.peak, stage.allocated);
      plan.reserved = std::max(plan.reserved, stage.reserved);
    }
    return plan;
  }

  const Sweep& sweep_;
  const Routes& routes_;
  Job job_;
};

Evaluator::Evaluator(const Sweep& sweep, const Routes& routes) : impl_(std::make_unique<Impl>(sweep, routes)) {}
Evaluator::~Evaluator() = default;

std::optional<EvaluatedPlan> Evaluator::evaluate(PlanIndex index) {
  SweepCounts counts;
  return impl_->evaluate(index, counts);
}

Batch Evaluator::evaluate(std::int64_t number, StructureIndex first, StructureIndex last, const Incumbents&) {
  Batch batch;
  batch.number = number;
  const int variants = impl_->sweep_.space.variants();
  for (PlanIndex i = first * variants; i < last * variants; ++i)
    if (std::optional<EvaluatedPlan> plan = impl_->evaluate(i, batch.counts)) batch.plans.push_back(*std::move(plan));
  return batch;
}

}  // namespace trainyard
