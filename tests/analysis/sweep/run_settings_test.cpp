// A plan of the answer is one that `simulate` can be asked about: the settings beside it are complete.
#include <fmt/format.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "analysis/simulate.hpp"
#include "analysis/sweep/run_sweep.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;
using Overrides = std::vector<std::pair<std::string, std::string>>;

// A scenario, beside the results of a sweep around it.
class Scenario {
 public:
  explicit Scenario(const std::string& base)
      : folder_(fs::temp_directory_path() / fmt::format("trainyard_run_settings_test_{}", getpid())) {
    fs::create_directories(folder_);
    std::ofstream(file()) << base;
  }
  ~Scenario() { fs::remove_all(folder_); }
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;
  std::string file() const { return (folder_ / "scenario.yaml").string(); }
  std::string store() const { return (folder_ / "results.db").string(); }

 private:
  fs::path folder_;
};

Overrides overrides_of(const std::vector<std::string>& settings) {
  Overrides pairs;
  for (const std::string& setting : settings) {
    const std::size_t equals = setting.find('=');
    REQUIRE(equals != std::string::npos);
    pairs.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  return pairs;
}

SweepAnswer answer_of(const std::string& text, const Scenario& scenario) {
  const Sweep sweep = load_sweep_text(text, scenario.file());
  const Routes routes(sweep.job.cluster);
  const SweepRun run;
  ResultStore store = ResultStore::open(scenario.store(), store_identity(sweep, run));
  REQUIRE(run_sweep(sweep, routes, run, store));
  return make_answer(sweep, routes, store);
}

void check_settings_are_complete(const std::string& base, const std::string& space) {
  const Scenario scenario(base);
  const SweepAnswer answer = answer_of(base + space, scenario);
  REQUIRE(answer.best.size() == 3);
  for (const RankedPlan& plan : answer.best) {
    INFO(plan.line << "\n" << fmt::format("{}", fmt::join(plan.settings, " ")));
    const Job job = load_job(scenario.file(), overrides_of(plan.settings));
    const Routes routes(job.cluster);
    const Seconds layers = simulate_step(job, routes, Granularity::layer).result.step_time;
    CHECK(layers == plan.layer_step_time);
    // The sweep adds in another order.
    const Seconds blocks = simulate_step(job, routes, Granularity::block).result.step_time;
    CHECK(blocks.value == Approx(plan.step_time.value).epsilon(1e-9));
  }
}

TEST_CASE("simulate with the settings of a plan takes the plan's step time: dense, every axis") {
  check_settings_are_complete(R"(model: llama3-8b
cluster: dgx-h100
nodes: 2
stack: megatron-core
workload: {sequence_length: 8192, global_batch_size: 32, precision: bf16}
plan: {overlap_grad_reduce: true}
)",
                              "space: {tp: [2, 4], pp: [2, 4], cp: [1, 2], micro_batch_size: [1, 2]}\ntop: 3\n");
}

TEST_CASE("simulate with the settings of a plan takes the plan's step time: experts") {
  check_settings_are_complete(
      R"(model: mixtral-8x7b
cluster: dgx-h100
nodes: 2
stack: megatron-core
workload: {sequence_length: 4096, global_batch_size: 64, precision: bf16}
plan: {overlap_grad_reduce: true, overlap_param_gather: true, data_parallel: zero1}
)",
      "space: {tp: [1, 2], pp: [2, 4], cp: 1, micro_batch_size: 1, "
      "recompute_granularity: [selective, full], moe_token_dispatcher_type: [allgather, alltoall]}\n"
      "top: 3\n");
}

TEST_CASE("simulate with the settings of a plan takes the plan's step time: placements by device, layers by hand") {
  check_settings_are_complete(R"(model: gpt2
cluster: dgx-h100
nodes: 2
workload: {sequence_length: 1024, global_batch_size: 32, precision: bf16}
)",
                              R"(space:
  tp: 2
  pp: 2
  layers_per_chunk: [[6, 6], [5, 7]]
  placement: [packed, scatter, {devices: [0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15]}]
top: 3
)");
}

}  // namespace
}  // namespace trainyard
