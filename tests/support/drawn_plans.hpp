// Legal plans of a job, drawn over all settings that change the shape of its program, and what a step is built from.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "sim/engine/pass_costs.hpp"
#include "sim/engine/pricing.hpp"
#include "sim/plan/check_plan.hpp"
#include "sim/plan/job.hpp"
#include "sim/plan/schedule.hpp"
#include "sim/program/build_step.hpp"
#include "sim/program/model_parts.hpp"

namespace trainyard::testing {

// A plan laid out on the job's cluster. The job is kept by reference.
struct PreparedPlan {
  const Job& job;
  Plan plan;
  std::optional<Profile> overridden;
  RankLayout layout;
  CommunicationPaths paths;
  PassCosts costs;

  PreparedPlan(const Job& of, const Plan& wanted, const Routes& routes)
      : job(of), plan(resolved(wanted, of.model, of.cluster)) {
    if (changes_stack(plan)) {
      overridden = job.profile;
      overridden->stack = effective_stack(plan, job.profile.stack);
    }
    layout = lay_out(plan, job.cluster);
    paths = communication_paths(plan, layout, routes, job.model.moe.has_value());
    costs = pass_costs(inputs(), pricing());
  }

  const Profile& profile() const { return overridden ? *overridden : job.profile; }
  int micro_batches() const { return plan.global_batch_size / (plan.micro_batch_size * plan.data_parallel); }
  StepInputs inputs() const { return {&plan, &job.model, &job.workload, &profile().stack, &layout, &paths, costs}; }
  PricingContext pricing() const {
    return {&profile(), job.cluster.world_size(), plan.tensor_parallel, gathers_units(plan)};
  }
};

inline StepProgram outline_of(const StepInputs& inputs) {
  return build_outline(inputs, step_model(inputs, *find_schedule(inputs.plan->schedule)));
}

class PlanDraw {
 public:
  PlanDraw(const Job& job, std::uint32_t seed) : job_(job), random_(seed) {}

  // Of this schedule and kind; nothing where no legal plan turns up.
  std::optional<Plan> plan(std::string_view schedule, DataParallelKind kind) {
    constexpr int tries = 2000;
    for (int i = 0; i < tries; ++i) {
      Plan plan = any(schedule, kind);
      if (check_plan(plan, job_.model, job_.workload, job_.cluster).empty()) return plan;
    }
    return std::nullopt;
  }

 private:
  template <class Value>
  Value one_of(std::initializer_list<Value> values) {
    return *(values.begin() + random_() % values.size());
  }
  bool coin() { return random_() % 2 == 0; }

  Plan any(std::string_view schedule, DataParallelKind kind) {
    const ScheduleRow& row = *find_schedule(schedule);
    Plan plan;
    plan.schedule = schedule;
    plan.data_parallel_kind = kind;
    plan.global_batch_size = job_.plan.global_batch_size;
    plan.tensor_parallel = one_of({1, 2, 4, 8});
    plan.pipeline_parallel = one_of({1, 2, 4, 8});
    plan.virtual_stages = row.virtual_stages > 0 ? row.virtual_stages : one_of({2, 4});
    plan.context_parallel = one_of({1, 1, 2});
    plan.micro_batch_size = one_of({1, 2});
    plan.sequence_parallel = plan.tensor_parallel > 1 && coin();
    if (job_.model.moe) plan.expert_parallel = one_of({1, 2, 4, 8});
    plan.recompute = one_of({Recompute::none, Recompute::selective, Recompute::full});
    plan.rank_order = one_of<const char*>({"tp-cp-ep-dp-pp", "tp-cp-ep-pp-dp"});
    plan.placement = one_of({PlacementKind::packed, PlacementKind::scatter, PlacementKind::rail});
    draw_exchange(plan);
    return plan;
  }

  void draw_exchange(Plan& plan) {
    plan.overlap_grad_reduce = coin();
    plan.overlap_param_gather = plan.data_parallel_kind != DataParallelKind::ddp && coin();
    if (coin()) plan.overlap_p2p = find_schedule(plan.schedule)->sends_both_ways() || coin();
    if (find_schedule(plan.schedule)->post_validated && coin()) plan.optimizer_post_validation = coin();
    if (plan.schedule == "interleaved" && coin()) plan.interleave_group = plan.pipeline_parallel + 1;
    if (plan.data_parallel_kind == DataParallelKind::hsdp) plan.sharding.group = one_of({2, 4, 8});
    if (plan.data_parallel_kind == DataParallelKind::fsdp || plan.data_parallel_kind == DataParallelKind::hsdp) {
      plan.sharding.sync_every_micro_batch = coin();
      if (coin()) plan.sharding.reshard_after_forward = coin();
    }
  }

  const Job& job_;
  std::mt19937 random_;  // the same numbers everywhere
};

inline constexpr DataParallelKind data_parallel_kinds[] = {DataParallelKind::ddp,   DataParallelKind::zero1,
                                                           DataParallelKind::zero2, DataParallelKind::zero3,
                                                           DataParallelKind::fsdp,  DataParallelKind::hsdp};

// `each` plans of every schedule and data-parallel kind that go together.
inline std::vector<Plan> drawn_plans(const Job& job, int each, std::uint32_t seed) {
  PlanDraw draw(job, seed);
  std::vector<Plan> plans;
  for (const std::string& schedule : schedule_names())
    for (const DataParallelKind kind : data_parallel_kinds)
      for (int i = 0; i < each; ++i)
        if (std::optional<Plan> plan = draw.plan(schedule, kind)) plans.push_back(*std::move(plan));
  return plans;
}

// The scenario `name`, with a batch of this many sequences.
inline Job job_of_batch(const std::string& name, int sequences) {
  Job job = load_job(std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/" + name + ".yaml");
  job.plan.global_batch_size = sequences;
  return job;
}

}  // namespace trainyard::testing
