// What one evaluation costs, program build included: the numbers that the README quotes.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <chrono>
#include <string>

#include "analysis/simulate.hpp"

using namespace trainyard;

namespace {

Job scenario(const char* name) { return load_job(std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/" + name + ".yaml"); }

void evaluate(benchmark::State& state, const char* name, Granularity granularity) {
  const Job job = scenario(name);
  const Routes routes(job.cluster);
  std::int64_t events = 0;
  for (auto _ : state) {
    const SimulatedStep step = simulate_step(job, routes, granularity);
    events = step.result.events;
    benchmark::DoNotOptimize(step.result.step_time);
  }
  state.counters["instructions"] = static_cast<double>(events);
  state.counters["per_instruction"] = benchmark::Counter(
      static_cast<double>(events), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["peak_MiB"] = static_cast<double>(usage.ru_maxrss) / 1024.0;
}

// The engine that simulates every rank; `ratio` is to the analytic engine at the same granularity, in this run. `gpus`
// repeats the scenario's plan on more nodes with the batch growing along, so that a rank's work stays the same.
void evaluate_fluid(benchmark::State& state, const char* name, Granularity granularity, int gpus, bool fold) {
  Job job = scenario(name);
  if (gpus > 0) {
    job.plan.global_batch_size *= gpus / job.cluster.world_size();
    job.cluster.nodes = gpus / job.cluster.gpus_per_node();
  }
  const Routes routes(job.cluster);
  const auto begin = std::chrono::steady_clock::now();
  benchmark::DoNotOptimize(simulate_step(job, routes, granularity));
  const std::chrono::duration<double> analytic = std::chrono::steady_clock::now() - begin;
  simulate_step(job, routes, granularity, {EngineKind::fluid, true, fold});  // loads SimGrid
  std::int64_t events = 0;
  double seconds = 0;
  for (auto _ : state) {
    const SimulatedStep step = simulate_step(job, routes, granularity, {EngineKind::fluid, true, fold});
    events = step.result.events;
    seconds += step.result.wall_time.value;
  }
  state.counters["instructions"] = static_cast<double>(events);
  state.counters["ratio"] = seconds / static_cast<double>(state.iterations()) / analytic.count();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["peak_MiB"] = static_cast<double>(usage.ru_maxrss) / 1024.0;
}

void load(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(scenario("llama3-70b-64xh100"));
}
void build_routes(benchmark::State& state) {
  const Job job = scenario("llama3-70b-64xh100");
  for (auto _ : state) benchmark::DoNotOptimize(Routes(job.cluster));
}

}  // namespace

BENCHMARK_CAPTURE(evaluate, llama3_70b_64_gpus_block, "llama3-70b-64xh100", Granularity::block)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(evaluate, llama3_70b_64_gpus_layer, "llama3-70b-64xh100", Granularity::layer)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(evaluate, llama3_70b_64_gpus_operator, "llama3-70b-64xh100", Granularity::operator_)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(evaluate, gpt3_175b_64_gpus_block, "gpt3-175b-64xa100", Granularity::block)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(evaluate, gpt3_175b_64_gpus_layer, "gpt3-175b-64xa100", Granularity::layer)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(evaluate, deepseek_v3_2048_gpus_block, "deepseek-v3-2048xh200", Granularity::block)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(evaluate, mixtral_8x7b_64_gpus_block, "mixtral-8x7b-64xh100", Granularity::block)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(evaluate, llama3_8b_64_gpus_fsdp_block, "llama3-8b-64xh100-fsdp2", Granularity::block)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(evaluate_fluid, llama3_70b_64_gpus_layer, "llama3-70b-64xh100", Granularity::layer, 0, true)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(evaluate_fluid, llama3_70b_64_gpus_operator, "llama3-70b-64xh100", Granularity::operator_, 0, true)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(evaluate_fluid, gpt3_175b_64_ranks_operator, "gpt3-175b-64xa100", Granularity::operator_, 0, false)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(evaluate_fluid, llama3_70b_1024_gpus_layer, "llama3-70b-64xh100", Granularity::layer, 1024, true)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(evaluate_fluid, llama3_70b_4096_gpus_layer, "llama3-70b-64xh100", Granularity::layer, 4096, true)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(evaluate_fluid, llama3_70b_16384_gpus_layer, "llama3-70b-64xh100", Granularity::layer, 16384, true)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(evaluate_fluid, llama3_70b_16384_gpus_operator, "llama3-70b-64xh100", Granularity::operator_, 16384,
                  true)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(evaluate_fluid, deepseek_v3_2048_gpus_layer, "deepseek-v3-2048xh200", Granularity::layer, 0, true)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(load)->Unit(benchmark::kMicrosecond);
BENCHMARK(build_routes)->Unit(benchmark::kMicrosecond);

BENCHMARK_MAIN();
