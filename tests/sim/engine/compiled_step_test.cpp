// A compiled step takes as long as the engine says, and goes on as long as its steady state says.
#include "sim/engine/compiled_step.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "analysis/breakdown.hpp"
#include "analysis/sweep/skeleton.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/in_order_pass.hpp"
#include "tests/support/drawn_plans.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

StepProgram program_of(const PreparedPlan& p, int micro_batches) {
  const Plan plan = with_micro_batches(p.plan, micro_batches);
  StepInputs in = p.inputs();
  in.plan = &plan;
  return build_step(in, Granularity::block);
}

CompiledStep::Times compiled_times(const PreparedPlan& p, int micro_batches, int group) {
  const StepProgram program = program_of(p, micro_batches);
  const std::optional<CompiledStep> compiled = CompiledStep::compile(program, group);
  REQUIRE(compiled);
  std::vector<double> ends;
  return compiled->run(price(program, p.pricing()).works, ends);
}

Plan pipeline(const char* schedule, int tp, int pp, int micro_batch_size) {
  Plan plan;
  plan.schedule = schedule;
  plan.tensor_parallel = tp;
  plan.sequence_parallel = tp > 1;
  plan.pipeline_parallel = pp;
  plan.virtual_stages = find_schedule(schedule)->virtual_stages == 0 ? 2 : 1;
  plan.micro_batch_size = micro_batch_size;
  return plan;
}

// The whole step against the short one and what it says each further group would add.
void check_extrapolation(const Job& job, const Plan& wanted, const Routes& routes) {
  const PreparedPlan p(job, wanted, routes);
  const int plenty = 400 * p.plan.pipeline_parallel;
  const ShortStep lengths = shortened(p.plan, plenty);
  int shorter = lengths.skeleton;
  CompiledStep::Times times = compiled_times(p, shorter, lengths.group);
  if (!times.per_group) {  // the transient is longer, as for the evaluator
    shorter *= 2;
    times = compiled_times(p, shorter, lengths.group);
  }
  INFO(canonical_key(p.plan) << ": " << shorter << " micro-batches");
  REQUIRE(times.per_group);
  for (const int more : {1, 2, 7, 40}) {
    const double whole = compiled_times(p, shorter + more * lengths.group, lengths.group).step.value;
    CHECK((times.step + static_cast<double>(more) * *times.per_group).value == Approx(whole).epsilon(1e-11).margin(0));
  }
}

}  // namespace

TEST_CASE("a compiled step takes as long as the analytic engine says, to the last bit") {
  std::set<std::string> schedules_seen;
  std::set<DataParallelKind> kinds_seen;
  int overlapping = 0;
  for (const char* scenario : {"llama3-70b-64xh100", "mixtral-8x7b-64xh100"}) {
    const Job job = job_of_batch(scenario, 128);
    const Routes routes(job.cluster);
    std::vector<double> ends;
    for (const Plan& plan : drawn_plans(job, 4, 1)) {
      const PreparedPlan p(job, plan, routes);
      const StepProgram program = build_step(p.inputs(), Granularity::block);
      const PricedProgram prices = price(program, p.pricing());
      const std::optional<CompiledStep> compiled = CompiledStep::compile(program, 1);
      INFO(canonical_key(p.plan));
      CHECK(compiled.has_value() == run_in_order(program, prices).has_value());
      if (!compiled) continue;
      CHECK(compiled->run(prices.works, ends).step == step_time(program, run_analytic(program, prices)));
      schedules_seen.insert(plan.schedule);
      kinds_seen.insert(plan.data_parallel_kind);
      overlapping += program.steps_overlap ? 1 : 0;
    }
  }
  CHECK(schedules_seen.size() == schedules().size());
  CHECK(kinds_seen.size() == std::size(data_parallel_kinds));
  CHECK(overlapping > 0);
}

TEST_CASE("prices of another plan may be put on the same instructions") {
  const Job job = job_of_batch("llama3-70b-64xh100", 64);
  const Routes routes(job.cluster);
  const PreparedPlan p(job, pipeline("1f1b", 4, 4, 1), routes);
  const StepProgram program = build_step(p.inputs(), Granularity::block);
  PricedProgram prices = price(program, p.pricing());
  const std::optional<CompiledStep> compiled = CompiledStep::compile(program, 1);
  REQUIRE(compiled);
  std::vector<double> ends;
  for (std::size_t w = 0; w < prices.works.size(); ++w) {
    prices.works[w].duration = 3.7 * prices.works[w].duration + Seconds(1e-3);
    CHECK(compiled->run(prices.works, ends).step == step_time(program, run_analytic(program, prices)));
  }
}

TEST_CASE("a step with more micro-batches is longer by what the steady state adds per group") {
  // Stage times: even for 80 large layers, uneven where the head of a large vocabulary meets few layers.
  for (const auto& [scenario, sequences] : {std::pair{"llama3-70b-64xh100", 1024}, {"llama3-8b-64xh100-fsdp2", 1024}}) {
    const Job job = job_of_batch(scenario, sequences);
    const Routes routes(job.cluster);
    for (const ScheduleRow& row : schedules()) {
      if (!row.periodic) continue;
      for (const int pp : {1, 2, 4, 8})
        for (const int mbs : {1, 4}) {
          Plan plan = pipeline(row.name.data(), 8 / (mbs == 4 ? 1 : 2), pp, mbs);
          plan.global_batch_size = sequences;
          if (check_plan(plan, job.model, job.workload, job.cluster).empty()) check_extrapolation(job, plan, routes);
        }
    }
  }
}

TEST_CASE("sharded and overlapped exchanges end and begin a step without touching its steady state") {
  const Job job = job_of_batch("llama3-8b-64xh100-fsdp2", 1024);
  const Routes routes(job.cluster);
  for (const char* schedule : {"1f1b", "interleaved", "zb-h1"})
    for (const DataParallelKind kind : data_parallel_kinds) {
      Plan plan = pipeline(schedule, 2, 4, 1);
      plan.global_batch_size = 1024;
      plan.data_parallel_kind = kind;
      plan.overlap_grad_reduce = true;
      plan.overlap_param_gather = kind != DataParallelKind::ddp;
      if (kind == DataParallelKind::hsdp) plan.sharding.group = 4;
      if (check_plan(plan, job.model, job.workload, job.cluster).empty()) check_extrapolation(job, plan, routes);
    }
}

TEST_CASE("a step says nothing about further micro-batches without a steady state") {
  const Job job = job_of_batch("llama3-8b-64xh100-fsdp2", 64);
  const Routes routes(job.cluster);
  const auto per_group = [&](const char* schedule, int micro_batches, int group) {
    const PreparedPlan p(job, pipeline(schedule, 2, 4, 1), routes);
    return compiled_times(p, micro_batches, group).per_group;
  };
  CHECK_FALSE(per_group("gpipe", 64, 1));
  CHECK_FALSE(per_group("1f1b", 4, 1));
  CHECK_FALSE(per_group("interleaved", 8, 4));
  CHECK_FALSE(per_group("interleaved", 64, 3));  // not its group
  CHECK(per_group("1f1b", 16, 1));
  CHECK(per_group("interleaved", 64, 4));
}
