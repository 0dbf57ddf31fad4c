#include "analysis/simulate.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "analysis/breakdown.hpp"
#include "analysis/measured_range.hpp"
#include "analysis/memory_ledger.hpp"
#include "models/model_flops.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/fluid_engine.hpp"
#include "sim/engine/pass_costs.hpp"
#include "sim/plan/communication_paths.hpp"

namespace trainyard {
namespace {

// Parts of a step that are needed before the engine runs.
struct Prepared {
  const Job& job;
  Plan plan;
  std::optional<Profile> overridden;  // only where the plan changes what the stack does: profiles are large
  RankLayout layout;
  CommunicationPaths paths;

  PassCosts costs;

  const Profile& profile() const { return overridden ? *overridden : job.profile; }
  StepInputs inputs() const { return {&plan, &job.model, &job.workload, &profile().stack, &layout, &paths, costs}; }
  PricingContext pricing() const {
    return {&profile(), job.cluster.world_size(), plan.tensor_parallel, gathers_units(plan)};
  }
};

Prepared prepare(const Job& job, const Routes& routes) {
  Prepared p{job, resolved(job.plan, job.model, job.cluster), std::nullopt, {}, {}, {}};
  if (changes_stack(p.plan)) {
    p.overridden = job.profile;
    p.overridden->stack = effective_stack(p.plan, job.profile.stack);
  }
  p.layout = lay_out(p.plan, job.cluster);
  p.paths = communication_paths(p.plan, p.layout, routes, job.model.moe.has_value());
  p.costs = pass_costs(p.inputs(), p.pricing());
  return p;
}

void add_utilisation(const Job& job, StepResult& r) {
  const double gpus = job.cluster.world_size();
  const double tokens =
      static_cast<double>(job.plan.global_batch_size) * static_cast<double>(job.workload.sequence_length);
  r.tokens_per_second_per_gpu = tokens / r.step_time.value / gpus;
  const Flops model =
      model_flops(job.model, FlopsConvention::megatron_lm, job.plan.global_batch_size, job.workload.sequence_length);
  r.model_flops_per_gpu = (model / gpus) / r.step_time;
  r.flops_convention = std::string(description(FlopsConvention::megatron_lm));
  r.mfu = r.model_flops_per_gpu / dense_peak(job.workload.precision, job.profile.device);
}

// Executed FLOPs of GEMMs and attention per GPU, the mean over stages; recomputation included.
double executed_flops(const StepProgram& program, const std::vector<std::int64_t>& uses) {
  std::vector<double> of_segment;
  for (const Segment& segment : program.segments) {
    double sum = 0;
    for (const LayerStep& step : segment.steps)
      if (const auto* op = std::get_if<Operator>(&step.work)) sum += flops(*op).value;
    of_segment.push_back(sum);
  }
  double total = 0;
  for (std::size_t w = 0; w < program.works.size(); ++w) {
    double once = 0;
    if (const auto* block = std::get_if<Block>(&program.works[w]))
      for (const std::vector<SegmentUse>* uses_of : {&block->uses, &block->partner})
        for (const SegmentUse& use : *uses_of)
          once += block->only_slowdown ? 0.0 : use.repeat * of_segment[static_cast<std::size_t>(use.segment)];
    if (const auto* op = std::get_if<OperatorWork>(&program.works[w])) once = flops(op->op).value;
    total += static_cast<double>(uses[w]) * once;
  }
  return total / static_cast<double>(program.kinds.size());
}

void run_ranks_of(const Job& job, const Routes& routes, const Prepared& p, const EngineChoice& engine,
                  SimulatedStep& step) {
  const LinkMap links(routes);
  const CommGroups groups(p.plan, p.layout, p.paths, job.model.moe.has_value());
  const EngineContext context{&p.layout, &groups, &links, &p.profile()};
  const LinkSharing sharing = engine.kind == EngineKind::fluid ? LinkSharing::on : LinkSharing::fair_share;
  RankRuns runs = run_every_rank(step.program, p.pricing(), context, sharing, engine.fold ? Folding::on : Folding::off);
  step.prices = std::move(runs.prices);
  step.timeline = std::move(runs.timeline);
  step.result.links = std::move(runs.links);
}

// One entry per list, or, if all are asked for, per rank.
std::vector<RankResult> rank_results(const SimulatedStep& step, const RankLayout& layout,
                                     const std::vector<Breakdown>& lists, bool all) {
  const Timeline& timeline = step.timeline;
  std::vector<RankResult> results;
  const auto add = [&](RankId rank, int ranks, std::size_t l) {
    results.push_back({rank.value, ranks, step.program.kinds[kind_of_list(timeline, l)].stage.value,
                       layout.device[rank.index()].value, timeline.lists[l].slowdown, lists[l]});
  };
  if (all)
    for (std::size_t r = 0; r < timeline.list_of_rank.size(); ++r)
      add(RankId(r), 1, static_cast<std::size_t>(timeline.list_of_rank[r]));
  else
    for (std::size_t l = 0; l < lists.size(); ++l) add(timeline.lists[l].representative, timeline.lists[l].ranks, l);
  return results;
}

}  // namespace

FlopsPerSecond dense_peak(DataType precision, const DeviceProfile& device) {
  if (precision == DataType::fp8 && device.peak_fp8.value > 0) return device.peak_fp8;
  if (precision == DataType::nvfp4 && device.peak_fp4.value > 0) return device.peak_fp4;
  return device.peak_half;
}

SimulatedStep simulate_step(const Job& job, const Routes& routes, Granularity granularity, const EngineChoice& engine) {
  const auto begin = std::chrono::steady_clock::now();
  Prepared p = prepare(job, routes);
  const Profile& profile = p.profile();
  const StepInputs inputs = p.inputs();
  SimulatedStep step;
  step.program = build_step(inputs, granularity);
  const bool every_rank = engine.every_rank || engine.kind == EngineKind::fluid || job.cluster.stragglers.any();
  if (every_rank) {
    run_ranks_of(job, routes, p, engine, step);
  } else {
    step.prices = price(step.program, p.pricing());
    step.timeline = run_analytic(step.program, step.prices);
  }
  const std::vector<std::int64_t> uses = work_uses(step.program);
  TimeAnalysis time = analyse_time(step.program, step.prices, step.timeline, profile, uses);
  StepResult& r = step.result;
  r.step_time = time.step_time;
  r.step_time_p10 = profile.stack.step_time_p10 * r.step_time;
  r.step_time_p90 = profile.stack.step_time_p90 * r.step_time;
  add_utilisation(job, r);
  const FlopsPerSecond peak = dense_peak(job.workload.precision, profile.device);
  r.hfu = executed_flops(step.program, uses) / r.step_time.value / peak.value;
  r.breakdown = time.mean;
  r.compute = time.compute;
  r.per_stage = std::move(time.per_stage);
  if (every_rank) r.ranks = rank_results(step, p.layout, time.per_list, engine.every_rank);
  r.communication = std::move(time.communication);
  r.memory = memory_ledger(step.program, profile, job.cluster.gpu_memory);
  r.engine = engine.kind == EngineKind::fluid ? "fluid" : "analytic";
  for (const std::vector<Span>& list : step.timeline.spans) r.events += static_cast<std::int64_t>(list.size());
  r.warnings = job.warnings;
  if (granularity != Granularity::operator_ && !job.cluster.stragglers.links.empty())
    r.warnings.push_back("collectives inside a layer do not feel degraded links unless --granularity is operator");
  for (std::string& warning : measured_range_warnings(step.program, profile.device))
    r.warnings.push_back(std::move(warning));
  step.plan = std::move(p.plan);
  step.layout = std::move(p.layout);
  r.wall_time = Seconds(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return step;
}

MemoryLedger memory_of(const Job& job, const Routes& routes) {
  const Prepared p = prepare(job, routes);
  const StepInputs inputs = p.inputs();
  return memory_ledger(build_step(inputs, Granularity::block), p.profile(), job.cluster.gpu_memory);
}

}  // namespace trainyard
