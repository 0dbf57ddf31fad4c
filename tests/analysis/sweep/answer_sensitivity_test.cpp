// What other machines and placements would change, over a space so small that every plan of it is looked at.
#include <catch2/catch.hpp>

#include <algorithm>

#include "analysis/sweep/closest_plan.hpp"
#include "analysis/sweep/placement_worth.hpp"
#include "analysis/sweep/ranked_plans.hpp"
#include "analysis/sweep/sensitivity.hpp"
#include "analysis/sweep/tied_plans.hpp"
#include "models/operator_cost.hpp"
#include "sim/plan/plan_yaml.hpp"

namespace trainyard {
namespace {

using Catch::Contains;

// A model that fills two nodes enough for memory and NICs to decide.
Sweep two_nodes(const std::string& space =
                    "tp: [1, 2, 8], pp: [1, 2], data_parallel: [ddp, zero1], "
                    "placement: [packed, scatter]") {
  return load_sweep_text(R"(model: llama3-8b
cluster: dgx-h100
nodes: 2
workload: {sequence_length: 8192, global_batch_size: 32, precision: bf16}
stack: megatron-core
plan: {cp: 1, vpp: 1, mbs: 1, schedule: 1f1b, sequence_parallel: true, recompute_granularity: none,
       overlap_grad_reduce: true, overlap_param_gather: true, rank_order: tp-cp-ep-dp-pp}
space: {)" + space + "}\ntop: 2\n",
                         "two_nodes.yaml");
}

SearchResult every_plan(const Sweep& sweep, const Routes& routes) {
  Evaluator evaluator(sweep, routes);
  SearchResult found;
  for (PlanIndex i = 0; i < sweep.space.size(); ++i)
    if (std::optional<EvaluatedPlan> plan = evaluator.evaluate(i)) found.plans.push_back(*std::move(plan));
  std::stable_sort(found.plans.begin(), found.plans.end(),
                   [](const EvaluatedPlan& a, const EvaluatedPlan& b) { return a.step_time < b.step_time; });
  return found;
}

SearchResult no_plan(const Sweep&, const Routes&) { return {}; }

std::vector<EvaluatedPlan> best_of(const Sweep& sweep) {
  std::vector<EvaluatedPlan> plans = every_plan(sweep, Routes(sweep.job.cluster)).plans;
  if (plans.size() > 2) plans.resize(2);
  return plans;
}

const Sensitivity& row(const std::vector<Sensitivity>& rows, const std::string& change) {
  const auto at = std::find_if(rows.begin(), rows.end(), [&](const Sensitivity& s) { return s.change == change; });
  REQUIRE(at != rows.end());
  return *at;
}

TEST_CASE("more is never slower and less never faster") {
  const Sweep sweep = two_nodes();
  const std::vector<EvaluatedPlan> best = best_of(sweep);
  REQUIRE_FALSE(best.empty());
  const auto rows = sensitivities(sweep, best, machine_changes(sweep.job.cluster), every_plan);
  const Seconds today = best.front().step_time;
  for (const char* better : {"NIC bandwidth x 2", "HBM size x 1.5", "HBM size x 2", "GEMM efficiency x 1.1"}) {
    INFO(better);
    REQUIRE(row(rows, better).step_time);
    CHECK(*row(rows, better).step_time <= today);
    CHECK(row(rows, better).gain >= 0);
  }
  for (const char* worse : {"NIC bandwidth x 0.5", "HBM size x 0.5", "GEMM efficiency x 0.9"}) {
    INFO(worse);
    CHECK(row(rows, worse).step_time.value_or(today) >= today);
    CHECK(row(rows, worse).gain <= 0);
  }
  CHECK(*row(rows, "GEMM efficiency x 1.1").step_time < today);
}

TEST_CASE("the best of another machine is at least as good as the plan that was kept") {
  const Sweep sweep = two_nodes();
  for (const Sensitivity& s : sensitivities(sweep, best_of(sweep), machine_changes(sweep.job.cluster), every_plan)) {
    INFO(s.change);
    if (s.kept_plan_step) CHECK(*s.step_time <= *s.kept_plan_step);
    if (s.same_plan) CHECK(s.step_time == s.kept_plan_step);
  }
}

TEST_CASE("what is known competes where the planner finds nothing") {
  const Sweep sweep = two_nodes();
  const std::vector<EvaluatedPlan> best = best_of(sweep);
  const auto rows = sensitivities(sweep, best, machine_changes(sweep.job.cluster), no_plan);
  CHECK(*row(rows, "HBM size x 2").step_time == best.front().step_time);
  CHECK(row(rows, "HBM size x 2").same_plan);
}

TEST_CASE("a machine that is too small has no best plan, and the kept one does not fit") {
  const Sweep sweep = two_nodes();
  const MachineChange tiny{"HBM size x 0.01", [](Job& job) { scale_gpu_memory(job.cluster, 0.01); }};
  const Sensitivity s = sensitivities(sweep, best_of(sweep), {tiny}, every_plan).front();
  CHECK_FALSE(s.step_time);
  CHECK_FALSE(s.kept_plan_step);
  CHECK_FALSE(s.same_plan);
  CHECK(s.best_line.empty());
}

TEST_CASE("one node has no NICs to change") {
  Cluster node = two_nodes().job.cluster;
  node.nodes = 1;
  for (const MachineChange& change : machine_changes(node)) CHECK_THAT(change.name, !Contains("NIC"));
}

TEST_CASE("GEMM efficiency scales every GEMM exactly and nothing else") {
  DeviceProfile device = two_nodes().job.profile.device;
  DeviceProfile faster = device;
  scale_gemm_efficiency(faster, 1.25);
  const auto time = [](const Operator& op, const DeviceProfile& d) {
    return operator_time(op, d, AttentionKernel::flash2).value;
  };
  // One that the tensor cores hold back, one that memory does, one that its launch does.
  for (const std::int64_t m : {8192, 16, 1}) {
    Operator gemm;
    gemm.work = Gemm{.m = m, .n = 4096, .k = 4096};
    INFO(m);
    CHECK(time(gemm, device) / time(gemm, faster) == Approx(1.25).epsilon(1e-12));
  }
  Operator copy;
  copy.work = MemoryBound{.bytes = 1_GiB};
  CHECK(time(copy, device) == time(copy, faster));
}

TEST_CASE("placement is worth the difference between the best and the worst variant") {
  const Sweep sweep = two_nodes("tp: 8, pp: 1, data_parallel: zero1, placement: [packed, scatter]");
  const Routes routes(sweep.job.cluster);
  Evaluator evaluator(sweep, routes);
  REQUIRE(sweep.space.variants() == 2);
  const auto worth = placement_worth(sweep.space, evaluator, 1);
  REQUIRE(worth);
  // Scatter deals the ranks of a tensor-parallel group over the nodes.
  CHECK(worth->variants == 2);
  CHECK(worth->best == "tp-cp-ep-dp-pp packed");
  CHECK(worth->worst == "tp-cp-ep-dp-pp scatter");
  CHECK(worth->best_step == evaluator.evaluate(0)->step_time);
  CHECK(worth->worst_step == evaluator.evaluate(1)->step_time);
  CHECK(worth->best_step < worth->worst_step);
}

TEST_CASE("where nothing fits the closest plan lacks the least memory") {
  Sweep sweep = two_nodes();
  scale_gpu_memory(sweep.job.cluster, 0.1);
  const Routes routes(sweep.job.cluster);
  REQUIRE(every_plan(sweep, routes).plans.empty());
  const auto closest = closest_fit(sweep, routes);
  REQUIRE(closest);
  CHECK(closest->plan.reserved > closest->limit);
  // Memory of a rank falls with tp and pp.
  CHECK_THAT(closest->plan.line, Contains("tp 8 · pp 2"));
}

TEST_CASE("the settings of a plan, put on the base, give the plan") {
  const Sweep sweep = two_nodes();
  for (PlanIndex i = 0; i < sweep.space.size(); i += 5) {
    const Plan plan = sweep.space.plan(i);
    const auto settings = settings_beyond(sweep.job.plan, plan, sweep.job.workload);
    const bool tensor = plan.tensor_parallel != sweep.job.plan.tensor_parallel;
    const std::string wanted = "plan.tensor_model_parallel_size=" + std::to_string(plan.tensor_parallel);
    CHECK((std::find(settings.begin(), settings.end(), wanted) != settings.end()) == tensor);
  }
  CHECK(settings_beyond(sweep.job.plan, sweep.job.plan, sweep.job.workload).empty());
}

TEST_CASE("two plans of a list never read alike") {
  // plan_line says how keys and values travel only where there is context parallelism.
  const Sweep sweep = two_nodes("tp: 8, pp: 1, data_parallel: zero1, cp_comm_type: [p2p, a2a], placement: packed");
  const std::vector<EvaluatedPlan> plans = every_plan(sweep, Routes(sweep.job.cluster)).plans;
  REQUIRE(plans.size() == 2);
  CHECK(line_of(sweep, plans[0].index) == line_of(sweep, plans[1].index));
  const std::vector<std::string> lines = lines_of(sweep, plans);
  CHECK(lines[0] != lines[1]);
  CHECK_THAT(lines[0] + lines[1], Contains(" · cp_comm_type=a2a"));
  CHECK(lines_of(sweep, {plans[0]}).front() == line_of(sweep, plans[0].index));
}

TEST_CASE("the best plans are simulated at layer granularity and with the fluid engine, and agree roughly") {
  const Sweep sweep = two_nodes();
  const std::vector<EvaluatedPlan> best = best_of(sweep);
  const RankedPlans ranked = ranked_plans(sweep, Routes(sweep.job.cluster), best);
  REQUIRE(ranked.plans.size() == 2);
  for (const RankedPlan& plan : ranked.plans) {
    // Both read the same layers; a block is a few of them in a row.
    CHECK(plan.layer_step_time / plan.step_time == Approx(1).epsilon(0.02));
    REQUIRE(plan.fluid_step_time);
    CHECK(*plan.fluid_step_time / plan.step_time == Approx(1).epsilon(0.2));
    CHECK(plan.breakdown.total().value == Approx(plan.layer_step_time.value));
    CHECK(plan.step_time_p10 < plan.step_time_p90);
  }
  CHECK(ranked.plans[0].line == line_of(sweep, best[0].index));
  CHECK_FALSE(ranked.plans[0].ties);
  CHECK(ranked.plans[1].ties == ties(best[0].step_time, best[1].step_time));
  CHECK(ranked.memory_limit > best[0].peak);
}

}  // namespace
}  // namespace trainyard
