// Properties that hold for every plan: drawn over plans of real scenarios.
#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

#include "analysis/memory_timeline.hpp"
#include "analysis/simulate.hpp"
#include "models/model_config.hpp"
#include "models/profile_yaml.hpp"
#include "sim/engine/engine.hpp"
#include "sim/plan/schedule.hpp"

using namespace trainyard;

namespace {

Job base_job(const std::string& model_cluster) {
  return load_job(std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/" + model_cluster + ".yaml");
}

template <class T>
const T& pick(const std::vector<T>& from, std::mt19937& random) {
  return from[std::uniform_int_distribution<std::size_t>(0, from.size() - 1)(random)];
}

// Legal plans of the scenario, different in every axis; the same list on every run.
std::vector<Job> legal_jobs(std::size_t count) {
  std::mt19937 random(20240711);
  const Job base = base_job("llama3-70b-64xh100");
  std::vector<Job> jobs;
  while (jobs.size() < count) {
    Job job = base;
    Plan& p = job.plan;
    p.tensor_parallel = pick<int>({1, 2, 4, 8}, random);
    p.pipeline_parallel = pick<int>({1, 2, 4, 8}, random);
    p.virtual_stages = p.pipeline_parallel > 1 ? pick<int>({1, 1, 2, 5}, random) : 1;
    p.schedule = p.virtual_stages > 1 ? "interleaved" : pick<std::string>({"1f1b", "gpipe"}, random);
    p.micro_batch_size = pick<int>({1, 2}, random);
    p.sequence_parallel = pick<int>({0, 1}, random) == 1;
    p.recompute = pick<Recompute>({Recompute::none, Recompute::selective, Recompute::full}, random);
    p.data_parallel_kind = pick<DataParallelKind>({DataParallelKind::ddp, DataParallelKind::zero1}, random);
    p.overlap_grad_reduce = pick<int>({0, 1}, random) == 1;
    p.overlap_param_gather = pick<int>({0, 1}, random) == 1;
    p.overlap_p2p = pick<int>({0, 1}, random) == 1;
    p.placement = pick<PlacementKind>({PlacementKind::packed, PlacementKind::scatter, PlacementKind::rail}, random);
    job.profile.stack.p2p_scatter_gather = pick<int>({0, 1}, random) == 1;
    job.profile.stack.attention =
        pick<AttentionKernel>({AttentionKernel::flash3, AttentionKernel::materialised}, random);
    if (check_plan(p, job.model, job.workload, job.cluster).empty()) jobs.push_back(std::move(job));
  }
  return jobs;
}

// Plans of dense and mixture-of-experts models that draw from every axis, schedule and kind of sharding.
std::vector<Job> modern_jobs(std::size_t count) {
  std::mt19937 random(20250118);
  const std::vector<std::string> models = {"llama3-70b", "mixtral-8x7b", "deepseek-v3"};
  const Job base = base_job("llama3-70b-64xh100");
  std::vector<Job> jobs;
  for (int drawn = 0; jobs.size() < count && drawn < 200000; ++drawn) {
    Job job = base;
    job.model = load_model(pick(models, random)).shape;
    Plan& p = job.plan;
    p.layers_per_chunk.clear();
    p.tensor_parallel = pick<int>({1, 2, 4}, random);
    p.pipeline_parallel = pick<int>({1, 1, 2, 4}, random);
    p.context_parallel = pick<int>({1, 1, 2, 4}, random);
    const std::vector<std::string> names = schedule_names();
    const ScheduleRow& row = *find_schedule(pick(names, random));
    p.schedule = std::string(row.name);
    p.virtual_stages = row.virtual_stages > 0 ? row.virtual_stages : 2;
    if (p.pipeline_parallel == 1) p.schedule = "1f1b", p.virtual_stages = 1;
    if (job.model.layers % (p.pipeline_parallel * p.virtual_stages) != 0) {
      const int chunks = p.pipeline_parallel * p.virtual_stages;
      p.layers_per_chunk.assign(static_cast<std::size_t>(chunks), static_cast<int>(job.model.layers) / chunks);
      for (int i = 0; i < static_cast<int>(job.model.layers) % chunks; ++i)
        ++p.layers_per_chunk[static_cast<std::size_t>(i)];
    }
    if (job.model.moe) {
      p.expert_parallel = pick<int>({1, 2, 4, 8}, random);
      p.expert_tensor_parallel = pick<int>({1, p.tensor_parallel}, random);
      p.dispatcher = pick<ExpertDispatcher>(
          {ExpertDispatcher::all_to_all, ExpertDispatcher::all_gather, ExpertDispatcher::deepep}, random);
      p.shared_expert_overlap = pick<int>({0, 1}, random) == 1;
      p.overlap_expert_parallel = pick<int>({0, 0, 1}, random) == 1;
      p.routing.skew = pick<double>({0, 0.3}, random);
    }
    p.sequence_parallel = p.tensor_parallel > 1;
    p.context_parallel_kind =
        pick<ContextParallelKind>({ContextParallelKind::ring, ContextParallelKind::all_gather,
                                   ContextParallelKind::ulysses, ContextParallelKind::hierarchical},
                                  random);
    p.data_parallel_kind =
        pick<DataParallelKind>({DataParallelKind::ddp, DataParallelKind::zero1, DataParallelKind::zero2,
                                DataParallelKind::zero3, DataParallelKind::fsdp, DataParallelKind::hsdp},
                               random);
    p.sharding.reshard_after_forward = pick<int>({0, 1}, random) == 1;
    p.sharding.sync_every_micro_batch = pick<int>({0, 1}, random) == 1;
    p.recompute = pick<Recompute>({Recompute::none, Recompute::selective, Recompute::full}, random);
    p.recompute_method = pick<RecomputeMethod>({RecomputeMethod::uniform, RecomputeMethod::block}, random);
    p.recompute_layers = p.recompute == Recompute::full ? pick<int>({0, 1, 2}, random) : 0;
    p.activation_offload_layers = pick<int>({0, 0, 0, 2}, random);
    p.optimizer_offload = pick<OffloadTarget>({OffloadTarget::none, OffloadTarget::none, OffloadTarget::cpu}, random);
    p.overlap_grad_reduce = pick<int>({0, 1}, random) == 1;
    p.overlap_param_gather = pick<int>({0, 1}, random) == 1;
    job.workload.precision = pick<DataType>({DataType::bf16, DataType::fp8}, random);
    if (check_plan(p, job.model, job.workload, job.cluster).empty()) jobs.push_back(std::move(job));
  }
  return jobs;
}

const std::vector<Job>& jobs() {
  static const std::vector<Job> all = [] {
    std::vector<Job> plain = legal_jobs(40);
    for (Job& job : modern_jobs(60)) plain.push_back(std::move(job));
    return plain;
  }();
  return all;
}

double total(const std::array<Bytes, memory_owners>& owners) {
  double sum = 0;
  for (Bytes b : owners) sum += b.value;
  return sum;
}

std::string text(const Job& job) { return canonical_key(job.plan); }

}  // namespace

TEST_CASE("every program is sound: channels pair up, dependencies point back, memory returns to its start") {
  for (const Job& job : jobs())
    for (Granularity g : {Granularity::block, Granularity::layer, Granularity::operator_}) {
      INFO(text(job));
      CHECK(violations(simulate_step(job, Routes(job.cluster), g).program).empty());
    }
}

TEST_CASE("the breakdown of every stage sums to the step time, and no part is negative") {
  for (const Job& job : jobs())
    for (Granularity g : {Granularity::block, Granularity::layer, Granularity::operator_}) {
      const StepResult r = simulate_step(job, Routes(job.cluster), g).result;
      INFO(text(job));
      for (const Breakdown& b : r.per_stage) {
        CHECK(b.total().value == Approx(r.step_time.value).epsilon(1e-9));
        for (Seconds part : {b.compute, b.exposed_tp, b.exposed_pp, b.exposed_dp, b.bubble, b.optimizer, b.other})
          CHECK(part.value >= -1e-9);
      }
    }
}

TEST_CASE("a step takes at least its busiest stage and its critical path of forwards and backwards") {
  for (const Job& job : jobs()) {
    const SimulatedStep step = simulate_step(job, Routes(job.cluster));
    INFO(text(job));
    Seconds busiest{}, path{};
    for (const RankKind& kind : step.program.kinds) {
      Seconds busy{};
      for (const Instruction& i : kind.instructions) {
        if (i.stream != Stream::compute) continue;
        const Seconds d = step.prices.works[static_cast<std::size_t>(i.work)].duration;
        busy += d;
        if (i.micro_batch == 0) path += d;  // one micro-batch through every chunk, there and back
      }
      busiest = std::max(busiest, busy);
    }
    CHECK(step.result.step_time >= busiest);
    CHECK(step.result.step_time >= path);
  }
}

TEST_CASE("no two spans of a stream overlap") {
  for (const Job& job : jobs()) {
    const SimulatedStep step = simulate_step(job, Routes(job.cluster), Granularity::layer);
    INFO(text(job));
    bool serial = true;
    for (std::size_t k = 0; k < step.program.kinds.size(); ++k) {
      std::array<Seconds, streams> free{};
      for (std::size_t i = 0; i < step.program.kinds[k].instructions.size(); ++i) {
        Seconds& f = free[static_cast<std::size_t>(step.program.kinds[k].instructions[i].stream)];
        serial = serial && step.timeline.spans[k][i].start >= f;
        f = step.timeline.spans[k][i].end;
      }
    }
    CHECK(serial);
  }
}

TEST_CASE("the fast pass and dependency counting give the same bytes") {
  for (const Job& job : jobs())
    for (Granularity g : {Granularity::block, Granularity::operator_}) {
      const SimulatedStep step = simulate_step(job, Routes(job.cluster), g);
      INFO(text(job));
      CHECK(run_by_dependency(step.program, step.prices) == step.timeline);
    }
}

TEST_CASE("granularities agree: layers to rounding, operators within the overlap across segment borders") {
  for (const Job& job : jobs()) {
    const Routes routes(job.cluster);
    const Seconds block = simulate_step(job, routes, Granularity::block).result.step_time;
    INFO(text(job));
    CHECK(simulate_step(job, routes, Granularity::layer).result.step_time.value == Approx(block.value).epsilon(1e-9));
    CHECK(simulate_step(job, routes, Granularity::operator_).result.step_time.value ==
          Approx(block.value).epsilon(0.01));
  }
}

TEST_CASE("granularities hold the same memory at the peak") {
  for (const Job& job : jobs()) {
    const Routes routes(job.cluster);
    const MemoryLedger block = simulate_step(job, routes, Granularity::block).result.memory;
    INFO(text(job));
    for (Granularity g : {Granularity::layer, Granularity::operator_}) {
      const MemoryLedger fine = simulate_step(job, routes, g).result.memory;
      for (std::size_t s = 0; s < block.stages.size(); ++s) {
        CHECK(fine.stages[s].allocated <= block.stages[s].allocated);
        CHECK(fine.stages[s].allocated.value == Approx(block.stages[s].allocated.value).epsilon(0.02));
      }
    }
  }
}

TEST_CASE("memory over time and the ledger's fold over the program hold the same at the peak") {
  for (const Job& job : jobs()) {
    const SimulatedStep step = simulate_step(job, Routes(job.cluster));
    INFO(text(job));
    const std::vector<StageMemoryCurve> curves = memory_curves(step.program, step.timeline, job.profile);
    // Copies and gathers that run ahead of compute come a little earlier or later in time than in the list.
    const bool in_list_order = !gathers_units(job.plan) && job.plan.activation_offload_layers == 0;
    for (std::size_t s = 0; s < curves.size(); ++s) {
      const double fold = step.result.memory.stages[s].allocated.value, curve = curves[s].at_peak().total().value;
      CHECK(curve == Approx(fold).epsilon(in_list_order ? 1e-12 : 0.05));
      // Nothing is left behind.
      CHECK(curves[s].points.back().total().value ==
            total(step.program.kinds[s].resident) + job.profile.device.blas_workspace.value);
    }
  }
}

TEST_CASE("faster links, memory or GPUs are never slower") {
  for (const Job& job : jobs()) {
    INFO(text(job));
    const Seconds now = simulate_step(job, Routes(job.cluster)).result.step_time;
    const auto step_of = [](const Job& j) { return simulate_step(j, Routes(j.cluster)).result.step_time.value; };
    Job nic = job;
    nic.cluster.nic_bandwidth *= 2.0;
    CHECK(step_of(nic) <= now.value * (1 + 1e-12));
    Job nvlink = job;
    nvlink.cluster.nvlink_bandwidth *= 2.0;
    CHECK(step_of(nvlink) <= now.value * (1 + 1e-12));
    Job hbm = job;
    hbm.profile.device.memory_bandwidth *= 1.5;
    CHECK(step_of(hbm) <= now.value * (1 + 1e-12));
    Job gpu = job;
    gpu.profile.device.peak_half *= 1.5;
    CHECK(step_of(gpu) <= now.value * (1 + 1e-12));
  }
}

TEST_CASE("recomputation trades memory for time") {
  for (Job job : jobs()) {
    if (find_schedule(job.plan.schedule)->plans_ahead) continue;  // the order of its passes follows their costs
    job.plan.recompute_layers = 0;                                // all of the layers, or what is selected of all
    job.plan.activation_offload_layers = 0;                       // less to save is also less to copy
    INFO(text(job));
    const Routes routes(job.cluster);
    std::vector<SimulatedStep> steps;
    for (Recompute r : {Recompute::none, Recompute::selective, Recompute::full}) {
      job.plan.recompute = r;
      steps.push_back(simulate_step(job, routes));
    }
    CHECK(steps[0].result.step_time <= steps[1].result.step_time);
    CHECK(steps[1].result.step_time <= steps[2].result.step_time);
    CHECK(steps[0].result.memory.peak() >= steps[1].result.memory.peak());
  }
}

TEST_CASE("same input, same answer") {
  for (const Job& job : jobs()) {
    const Routes routes(job.cluster);
    SimulatedStep a = simulate_step(job, routes), b = simulate_step(job, routes);
    CHECK(a.timeline == b.timeline);
    a.result.wall_time = b.result.wall_time = Seconds(0);
    CHECK(a.result == b.result);
  }
}
