// What limits the step, which path is slow, and the one change that the model says helps most: every candidate is run.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

#include "analysis/inputs_hash.hpp"
#include "analysis/rank_words.hpp"
#include "analysis/simulate.hpp"
#include "sim/plan/schedule.hpp"

namespace trainyard {
namespace {

struct Candidate {
  std::string change;   // "pipeline_model_parallel_size: 4 -> 2"
  std::string setting;  // "--set plan.pp=2"
  Plan plan;
};

double share(Seconds part, Seconds whole) { return whole.value > 0 ? part / whole : 0.0; }

Seconds exposed(const Breakdown& b) { return b.exposed_tp + b.exposed_cp + b.exposed_ep + b.exposed_pp + b.exposed_dp; }

// Compute-bound where matrix work fills most of the step; otherwise the largest loss names the bound.
Bound bound_of(const StepResult& r) {
  constexpr double mostly = 0.6;
  if (share(r.compute.gemm + r.compute.attention, r.step_time) >= mostly) return Bound::compute;
  const std::array losses = {std::pair{Bound::memory, r.compute.memory_bound + r.breakdown.optimizer},
                             std::pair{Bound::communication, exposed(r.breakdown) + r.compute.contention},
                             std::pair{Bound::pipeline, r.breakdown.bubble},
                             std::pair{Bound::orchestration, r.breakdown.other}};
  return std::max_element(losses.begin(), losses.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

std::vector<std::string> evidence_of(const StepResult& r) {
  std::vector<std::string> lines;
  const auto line = [&](std::string_view what, Seconds time) {
    if (share(time, r.step_time) >= 0.005)
      lines.push_back(fmt::format("{} {} ({:.1f} %)", what, to_text(time), 100 * share(time, r.step_time)));
  };
  line("matrix multiplications and attention take", r.compute.gemm + r.compute.attention);
  line("memory-bound kernels take", r.compute.memory_bound);
  line("exposed communication takes", exposed(r.breakdown));
  line("the pipeline bubble takes", r.breakdown.bubble);
  line("the optimizer takes", r.breakdown.optimizer);
  line("the host keeps the GPU waiting for", r.breakdown.other);
  return lines;
}

std::string slow_path_of(const StepResult& r) {
  const CommunicationLine* worst = nullptr;
  for (const CommunicationLine& line : r.communication)
    if (worst == nullptr || line.exposed > worst->exposed) worst = &line;
  if (worst == nullptr || worst->exposed.value <= 0) return {};
  return fmt::format("{} {} of {} over {}: {} of {} exposed, {} calls of {} ({:.0f} us each, {} bus bandwidth)",
                     name(worst->axis), worst->collective, worst->purpose, name(worst->slowest_link),
                     to_text(worst->exposed), to_text(worst->busy), worst->count, to_text(worst->bytes),
                     worst->count > 0 ? 1e6 * worst->busy.value / static_cast<double>(worst->count) : 0.0,
                     to_text(worst->bus_bandwidth));
}

// Single changes of a plan, each legal or not: check_plan decides.
class Candidates {
 public:
  Candidates(const Job& job, const Plan& resolved_plan) : base_(job.plan), now_(resolved_plan) {
    base_.data_parallel = 0;         // follows the other axes
    base_.layers_per_chunk.clear();  // split anew
    virtual_stages();
    if (now_.pipeline_parallel > 1)
      number("pipeline_model_parallel_size", "pp", now_.pipeline_parallel, now_.pipeline_parallel / 2,
             &Plan::pipeline_parallel);
    number("pipeline_model_parallel_size", "pp", now_.pipeline_parallel, now_.pipeline_parallel * 2,
           &Plan::pipeline_parallel);
    if (now_.tensor_parallel > 1)
      number("tensor_model_parallel_size", "tp", now_.tensor_parallel, now_.tensor_parallel / 2,
             &Plan::tensor_parallel);
    number("tensor_model_parallel_size", "tp", now_.tensor_parallel, now_.tensor_parallel * 2, &Plan::tensor_parallel);
    if (now_.micro_batch_size > 1)
      number("micro_batch_size", "mbs", now_.micro_batch_size, now_.micro_batch_size / 2, &Plan::micro_batch_size);
    number("micro_batch_size", "mbs", now_.micro_batch_size, now_.micro_batch_size * 2, &Plan::micro_batch_size);
    context_parallel(job);
    if (job.model.moe) experts();
    schedules();
    for (Recompute r : {Recompute::none, Recompute::selective, Recompute::full})
      if (r != now_.recompute)
        add(fmt::format("recompute_granularity: {} -> {}", name(now_.recompute), name(r)),
            fmt::format("plan.recompute_granularity={}", name(r)), [r](Plan& p) { p.recompute = r; });
    switches(job);
  }
  const std::vector<Candidate>& all() const { return all_; }

 private:
  void add(std::string change, const std::string& setting, const std::function<void(Plan&)>& edit) {
    Plan plan = base_;
    edit(plan);
    all_.push_back({std::move(change), "--set " + setting, std::move(plan)});
  }
  void number(std::string_view key, std::string_view alias, int from, int to, int Plan::*member) {
    if (to < 1) return;
    add(fmt::format("{}: {} -> {}", key, from, to), fmt::format("plan.{}={}", alias, to),
        [&](Plan& p) { p.*member = to; });
  }
  void virtual_stages() {
    if (now_.pipeline_parallel < 2) return;
    for (int v : {now_.virtual_stages - 1, now_.virtual_stages + 1, now_.virtual_stages * 2, now_.virtual_stages / 2}) {
      if (v < 2 || v == now_.virtual_stages) continue;
      std::string setting = fmt::format("plan.vpp={}", v);
      if (now_.schedule != "interleaved") setting += " --set plan.schedule=interleaved";
      add(fmt::format("num_virtual_stages_per_pipeline_rank: {} -> {}", now_.virtual_stages, v), setting, [v](Plan& p) {
        p.virtual_stages = v;
        p.schedule = "interleaved";
      });
    }
  }
  // Shorter slices of a sequence where it is long, longer ones where it is cut already.
  void context_parallel(const Job& job) {
    constexpr std::int64_t long_sequence = 16384;
    const int cp = now_.context_parallel;
    if (cp > 1) number("context_parallel_size", "cp", cp, cp / 2, &Plan::context_parallel);
    if (cp > 1 || job.workload.sequence_length >= long_sequence)
      number("context_parallel_size", "cp", cp, cp * 2, &Plan::context_parallel);
  }
  void experts() {
    const int ep = now_.expert_parallel;
    if (ep > 1) number("expert_model_parallel_size", "ep", ep, ep / 2, &Plan::expert_parallel);
    number("expert_model_parallel_size", "ep", ep, ep * 2, &Plan::expert_parallel);
    if (ep == 1) return;
    if (now_.dispatcher != ExpertDispatcher::deepep)
      add("moe_token_dispatcher_type: -> deepep", "plan.moe_token_dispatcher_type=deepep",
          [](Plan& p) { p.dispatcher = ExpertDispatcher::deepep; });
    if (!now_.overlap_expert_parallel)
      add("overlap_moe_expert_parallel_comm: false -> true", "plan.overlap_moe_expert_parallel_comm=true",
          [](Plan& p) { p.overlap_expert_parallel = true; });
    if (!now_.shared_expert_overlap)
      add("moe_shared_expert_overlap: false -> true", "plan.moe_shared_expert_overlap=true",
          [](Plan& p) { p.shared_expert_overlap = true; });
  }
  // Zero-bubble schedules, where the pipeline has no chunks that another would have to cut anew.
  void schedules() {
    if (now_.pipeline_parallel == 1 || find_schedule(now_.schedule)->splits_backward) return;
    for (const char* name : {"zb-h1", "zb-v"}) {
      const ScheduleRow& row = *find_schedule(name);
      std::string setting = fmt::format("plan.schedule={}", name);
      if (now_.virtual_stages != row.virtual_stages) setting += fmt::format(" --set plan.vpp={}", row.virtual_stages);
      add(fmt::format("schedule: {} -> {}", now_.schedule, name), setting, [&row](Plan& p) {
        p.schedule = std::string(row.name);
        p.virtual_stages = row.virtual_stages;
      });
    }
  }
  void switches(const Job& job) {
    const Overlaps on = overlaps_of(now_, job.profile.stack);
    if (!now_.sequence_parallel && now_.tensor_parallel > 1)
      add("sequence_parallel: false -> true", "plan.sequence_parallel=true",
          [](Plan& p) { p.sequence_parallel = true; });
    const TpOverlap overlap = effective_stack(now_, job.profile.stack).tp_overlap;
    if (now_.sequence_parallel && now_.tensor_parallel > 1 && overlap != TpOverlap::userbuffers)
      add("tp_comm_overlap: false -> true", "plan.tp_comm_overlap=true", [](Plan& p) { p.tp_comm_overlap = true; });
    if (now_.data_parallel > 1 && now_.data_parallel_kind == DataParallelKind::ddp)
      add("data_parallel: ddp -> distributed_optimizer", "plan.data_parallel=distributed_optimizer",
          [](Plan& p) { p.data_parallel_kind = DataParallelKind::zero1; });
    if (now_.data_parallel > 1 && !on.grad_reduce)
      add("overlap_grad_reduce: false -> true", "plan.overlap_grad_reduce=true",
          [](Plan& p) { p.overlap_grad_reduce = true; });
    if (now_.data_parallel > 1 && !on.param_gather && now_.data_parallel_kind == DataParallelKind::zero1)
      add("overlap_param_gather: false -> true", "plan.overlap_param_gather=true",
          [](Plan& p) { p.overlap_param_gather = true; });
  }

  Plan base_;
  Plan now_;
  std::vector<Candidate> all_;
};

std::vector<Experiment> run_candidates(const Job& job, const Routes& routes, const Plan& now) {
  std::vector<Experiment> done;
  const Candidates candidates(job, now);
  Job changed = job;
  changed.cluster.stragglers = {};
  for (const Candidate& candidate : candidates.all()) {
    changed.plan = candidate.plan;
    if (!check_plan(changed.plan, changed.model, changed.workload, changed.cluster).empty()) continue;
    const StepResult r = simulate_step(changed, routes).result;
    done.push_back({candidate.change, candidate.setting, r.step_time, r.memory.fits});
  }
  std::stable_sort(done.begin(), done.end(), [](const Experiment& a, const Experiment& b) {
    if (a.fits != b.fits) return a.fits;
    return a.predicted_step < b.predicted_step;
  });
  return done;
}

// Candidates are simulated one rank per stage on links of their own; where the step was simulated otherwise, what
// counts is by how much a candidate beats the plan in the same terms.
void relate(const Job& job, const Routes& routes, Seconds step_time, std::vector<Experiment>& experiments) {
  Job alike = job;
  alike.cluster.stragglers = {};
  const double factor = step_time / simulate_step(alike, routes).result.step_time;
  for (Experiment& e : experiments) e.predicted_step *= factor;
}

// What the stragglers cost: the same step on a cluster without them.
std::string cost_of_stragglers(const Job& job, const StepResult& result) {
  Job healthy = job;
  healthy.cluster.stragglers = {};
  const EngineKind engine = result.engine == "fluid" ? EngineKind::fluid : EngineKind::analytic;
  const Seconds step =
      simulate_step(healthy, Routes(healthy.cluster), Granularity::operator_, {engine, true}).result.step_time;
  return fmt::format("with every part healthy and no jitter the step would take {} instead of {} ({:+.1f} %)",
                     to_text(step), to_text(result.step_time), 100 * (step / result.step_time - 1));
}

std::string reason_of(const StepResult& r, const Experiment& best) {
  if (!r.memory.fits)
    return best.fits ? "the plan does not fit; this is the fastest single change that does"
                     : "no single change makes the plan fit";
  const double gain = 1.0 - best.predicted_step / r.step_time;
  if (gain <= 0 || !best.fits) return "no single change is predicted to be faster";
  switch (r.diagnosis.bound) {
    case Bound::pipeline:
      return "the bubble is the largest loss";
    case Bound::communication:
      return "exposed communication is the largest loss";
    case Bound::memory:
      return "memory traffic is the largest loss";
    case Bound::orchestration:
      return "the host is the largest loss";
    case Bound::compute:
      return "matrix work dominates; this trims what surrounds it";
  }
  return {};
}

}  // namespace

StepResult diagnosed(const Job& job, const Routes& routes, StepResult result) {
  result.inputs_hash = inputs_hash(job);
  Diagnosis& d = result.diagnosis;
  d.bound = bound_of(result);
  d.evidence = evidence_of(result);
  if (job.cluster.stragglers.any()) d.evidence.push_back(cost_of_stragglers(job, result));
  for (std::string& line : straggler_evidence(result, job.cluster.gpus_per_node()))
    d.evidence.push_back(std::move(line));
  d.slow_path = slow_path_of(result);
  Job base = job;
  // A placement found for this plan says nothing of others.
  if (result.placement) base.plan.placement = PlacementKind::packed;
  d.experiments = run_candidates(base, routes, resolved(job.plan, job.model, job.cluster));
  if (!result.ranks.empty()) relate(job, routes, result.step_time, d.experiments);
  if (!d.experiments.empty()) d.reason = reason_of(result, d.experiments.front());
  return result;
}

}  // namespace trainyard
