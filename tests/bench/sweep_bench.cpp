// What a plan of a sweep costs. Rates per core are over the CPU time of this process, so that neighbours on the machine
// do not count; scaling is over wall time. Large sweeps are sampled: every n-th batch, spread over the whole space.
//   sweep_bench [PLANS]   at most about this many plans per run
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include "analysis/sweep/batch_workers.hpp"
#include "analysis/sweep/batches.hpp"
#include "analysis/sweep/search.hpp"
#include "sim/base/errors.hpp"
#include "sim/base/scenario_files.hpp"

using namespace trainyard;

namespace {

constexpr std::int64_t usual_plans = 8'000'000;  // all of those on 64 GPUs, in some 30 s
constexpr const char* sweep_64 = "gpt3-175b-64xa100";
constexpr const char* large_sweeps[] = {"gpt3-175b-1024xh100", "llama3-405b-16384xh100"};

rusage usage() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return used;
}
double seconds(const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); }
double peak_mib() { return static_cast<double>(usage().ru_maxrss) / 1024.0; }  // ru_maxrss is in KiB

class Clock {
 public:
  double wall() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_).count(); }
  double cpu() const { return now() - cpu_; }

 private:
  static double now() { return seconds(usage().ru_utime) + seconds(usage().ru_stime); }
  std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
  double cpu_ = now();
};

// Every n-th batch, so that together they have about `plans` plans.
struct Sample {
  std::vector<std::int64_t> batches;
  std::int64_t stride = 1;
};
Sample sample_of(const Sweep& sweep, std::int64_t plans) {
  Sample sample;
  sample.stride = std::max<std::int64_t>(1, sweep.space.size() / std::max<std::int64_t>(plans, 1));
  for (std::int64_t b = 0; b < batch_count(sweep.space); b += sample.stride) sample.batches.push_back(b);
  return sample;
}

struct Run {
  SweepCounts counts;
  double wall = 0, cpu = 0;
  double mib_at_tenth = 0, mib = 0;
  double rate() const { return static_cast<double>(counts.total()) / cpu; }
  double microseconds() const { return 1e6 / rate(); }
};

Run run(const Sweep& sweep, const Routes& routes, const Incumbents& incumbents, const Sample& sample, int threads) {
  Run run;
  const Clock clock;
  BatchWorkers workers(sweep, routes, incumbents, sample.batches, threads, nullptr);
  const std::size_t tenth = sample.batches.size() / 10;
  for (std::size_t taken = 0; const std::optional<Batch> batch = workers.next(); ++taken) {
    run.counts += batch->counts;
    if (taken == tenth) run.mib_at_tenth = peak_mib();
  }
  if (workers.failure()) std::rethrow_exception(workers.failure());
  run.wall = clock.wall();
  run.cpu = clock.cpu();
  run.mib = peak_mib();
  return run;
}

void print_shares(const SweepCounts& counts) {
  const auto line = [&](const char* what, std::int64_t plans) {
    fmt::print("  {:<34}{:>12}{:>9.2f} %\n", what, plans,
               100.0 * static_cast<double>(plans) / static_cast<double>(std::max<std::int64_t>(1, counts.total())));
  };
  line("left out or repeating another", counts.excluded);
  line("infeasible", counts.infeasible);
  line("out of memory", counts.out_of_memory);
  line("same placement", counts.same_placement);
  line("pruned by a bound", counts.pruned);
  line("through the engine", counts.evaluated);
}

// Plans that are neither left out nor infeasible, for machines of different sizes to compare.
double per_legal_plan(const Run& run) {
  const std::int64_t legal = run.counts.total() - run.counts.excluded - run.counts.infeasible;
  return 1e6 * run.cpu / static_cast<double>(std::max<std::int64_t>(1, legal));
}
struct Machine {
  Run pruned, whole, dismissed;
  double search_seconds = 0;
  // What plans that pass the bounds add: their outlines, prices and the engine.
  double per_engine_plan() const {
    return 1e6 * (whole.cpu - dismissed.cpu) / static_cast<double>(std::max<std::int64_t>(1, whole.counts.evaluated));
  }
};

// Better than any plan: whatever passes the checks and the bound on memory is pruned.
const Incumbents unbeatable = {Seconds(0), {{Seconds(0), Bytes(0)}}, {}};

Machine measure(const char* name, std::int64_t plans) {
  const Sweep sweep = load_sweep(scenario_file("sweeps", name));
  const Routes routes(sweep.job.cluster);
  Machine machine;
  const Clock clock;
  const Incumbents incumbents = incumbents_of(search(sweep, routes), sweep.top);
  machine.search_seconds = clock.cpu();
  const Sample sample = sample_of(sweep, plans);
  machine.pruned = run(sweep, routes, incumbents, sample, 1);
  machine.whole = run(sweep, routes, {}, sample, 1);
  machine.dismissed = run(sweep, routes, unbeatable, sample, 1);
  fmt::print("{}: {} plans on {} GPUs, every {}. batch of {}\n", name, sweep.space.size(),
             sweep.job.cluster.world_size(), sample.stride, batch_count(sweep.space));
  fmt::print("  search before the sweep           {:>12.2f} s\n", machine.search_seconds);
  print_shares(machine.pruned.counts);
  fmt::print("  plans/s/core, all counted         {:>12.0f}\n", machine.pruned.rate());
  fmt::print("  plans/s/core, those left out aside {:>11.0f}\n",
             static_cast<double>(machine.pruned.counts.total() - machine.pruned.counts.excluded) / machine.pruned.cpu);
  fmt::print("  plans/s/core, unpruned            {:>12.0f}\n", machine.whole.rate());
  fmt::print("  engine plans/s/core               {:>12.0f}   less what dismissing them takes\n",
             1e6 / machine.per_engine_plan());
  fmt::print("  peak memory after 10 % and 100 %  {:>12.0f} MiB {:.0f} MiB\n\n", machine.pruned.mib_at_tenth,
             machine.pruned.mib);
  return machine;
}

void print_scaling(std::int64_t plans) {
  const Sweep sweep = load_sweep(scenario_file("sweeps", sweep_64));
  const Routes routes(sweep.job.cluster);
  const Sample sample = sample_of(sweep, plans / 4);
  const Run one = run(sweep, routes, {}, sample, 1), two = run(sweep, routes, {}, sample, 2);
  fmt::print("{}, unpruned: 1 thread {:.2f} s, 2 threads {:.2f} s of wall time, {:.2f} times as fast", sweep_64,
             one.wall, two.wall, one.wall / two.wall);
  // Less than the wall time of two cores was ours: others use the machine.
  fmt::print(" ({:.2f} with both cores for itself)\n\n", 2 * one.cpu / two.cpu);
}

void print_cost(const char* name, const Machine& machine, const Machine& small) {
  fmt::print("{:<26}{:>8.1f}{:>8.2f}{:>10.1f}{:>8.2f}{:>10.1f}{:>8.2f}\n", name, machine.pruned.microseconds(),
             machine.pruned.microseconds() / small.pruned.microseconds(), per_legal_plan(machine.whole),
             per_legal_plan(machine.whole) / per_legal_plan(small.whole), machine.per_engine_plan(),
             machine.per_engine_plan() / small.per_engine_plan());
}

void run_all(std::int64_t plans) {
  const Machine small = measure(sweep_64, plans);
  print_scaling(plans);
  std::vector<Machine> machines;
  for (const char* name : large_sweeps) machines.push_back(measure(name, plans));
  fmt::print("us per plan, and times that of 64 GPUs\n{:<26}{:>16}{:>18}{:>18}\n", "", "pruned, any", "unpruned, legal",
             "engine alone");
  print_cost(sweep_64, small, small);
  for (std::size_t i = 0; i < machines.size(); ++i) print_cost(large_sweeps[i], machines[i], small);
}

}  // namespace

int main(int argc, char** argv) {
  std::int64_t plans = usual_plans;
  if (argc > 1) {
    const char* end = argv[1] + std::strlen(argv[1]);
    const auto [stop, error] = std::from_chars(argv[1], end, plans);
    if (argc > 2 || error != std::errc() || stop != end || plans < 1) {
      fmt::print(stderr, "usage: sweep_bench [PLANS]\n");
      return 2;
    }
  }
  try {
    run_all(plans);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
