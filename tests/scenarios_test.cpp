// Everything under scenarios/ is an example that must run.
#include <catch2/catch.hpp>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "analysis/simulate.hpp"
#include "models/model_config.hpp"
#include "models/profile_yaml.hpp"
#include "sim/base/scenario_files.hpp"
#include "topology/cluster_yaml.hpp"

using namespace trainyard;

namespace {

const std::filesystem::path scenarios = std::filesystem::path(TRAINYARD_SOURCE_DIR) / "scenarios";

Job llama_on(const std::string& cluster, const std::string& nodes, const std::string& plan) {
  return load_job((scenarios / "llama3-70b-64xh100.yaml").string(),
                  {{"model", "llama2-7b"},
                   {"cluster", cluster},
                   {"nodes", nodes},
                   {"plan", plan},
                   {"workload", "{sequence_length: 4096, global_batch_size: 1152, precision: fp16}"}});
}

void check_sane(const SimulatedStep& step) {
  const StepResult& r = step.result;
  CHECK(r.step_time.value > 0);
  CHECK(std::isfinite(r.step_time.value));
  CHECK(r.mfu > 0);
  CHECK(r.mfu < 1);
  CHECK(r.hfu >= r.mfu * 0.99);
  CHECK(r.step_time_p10 <= r.step_time);
  CHECK(r.step_time <= r.step_time_p90);
  CHECK(violations(step.program).empty());
}

}  // namespace

TEST_CASE("every shipped scenario is legal and simulates") {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scenarios)) {
    if (entry.path().extension() != ".yaml") continue;
    INFO(entry.path().string());
    const Job job = load_job(entry.path().string());
    CHECK(check_plan(job.plan, job.model, job.workload, job.cluster).empty());
    check_sane(simulate_step(job, Routes(job.cluster)));
    ++count;
  }
  CHECK(count >= 2);
}

TEST_CASE("the main scenario fits and is neither hopeless nor impossible") {
  const Job job = load_job((scenarios / "llama3-70b-64xh100.yaml").string());
  const StepResult r = simulate_step(job, Routes(job.cluster)).result;
  CHECK(r.memory.fits);
  // Published H100 runs of this model without userbuffers or context parallelism reach 35 to 52 % of the dense peak.
  CHECK(r.mfu > 0.35);
  CHECK(r.mfu < 0.52);
}

TEST_CASE("every cluster preset trains a 7B model on one and on several nodes") {
  for (const std::string& name : scenario_names("clusters")) {
    INFO(name);
    const Cluster one = read_cluster_file(name, 1);
    const int tp = one.gpus_per_node() % 4 == 0 ? 4 : 1;
    Job job = llama_on(name, "1", "{tp: " + std::to_string(tp) + "}");
    REQUIRE(check_plan(job.plan, job.model, job.workload, job.cluster).empty());
    const Seconds alone = simulate_step(job, Routes(job.cluster)).result.step_time;
    check_sane(simulate_step(job, Routes(job.cluster)));
    job = llama_on(name, "4", "{tp: " + std::to_string(tp) + ", data_parallel: distributed_optimizer}");
    REQUIRE(check_plan(job.plan, job.model, job.workload, job.cluster).empty());
    check_sane(simulate_step(job, Routes(job.cluster)));
    CHECK(simulate_step(job, Routes(job.cluster)).result.step_time < alone);
  }
}

TEST_CASE("bf16 on a GPU without it is refused") {
  CHECK_THROWS_WITH(load_job((scenarios / "llama3-70b-64xh100.yaml").string(), {{"cluster", "dgx-1v"}}),
                    Catch::Contains("has no bf16"));
}

TEST_CASE("dense peaks are clock x multiprocessors x FLOPs per clock") {
  // 2 x 512 FMA per clock and SM on A100, 2 x 1024 x 2 on H100.
  CHECK(load_device_profile("a100-sxm-80gb").peak_half.value == Approx(1410e6 * 256 * 2 * 432).epsilon(1e-3));
  CHECK(load_device_profile("h100-sxm-80gb").peak_half.value == Approx(1830e6 * 512 * 2 * 528).epsilon(1e-3));
}

TEST_CASE("every model preset loads and trains on 64 GPUs") {
  const Job base = load_job((scenarios / "llama3-70b-64xh100.yaml").string());
  for (const std::string& name : scenario_names("models")) {
    INFO(name);
    Job job = base;
    job.model = load_model(name).shape;
    job.plan = Plan{};
    job.plan.global_batch_size = 64;
    for (const PlanProblem& p : check_plan(job.plan, job.model, job.workload, job.cluster)) FAIL_CHECK(p.reason);
    check_sane(simulate_step(job, Routes(job.cluster)));
  }
}

TEST_CASE("every profile is complete, and every constant names its source") {
  for (const std::string& name : scenario_names("profiles/devices"))
    for (const Provenance& p : load_device_profile(name).provenance) CHECK_FALSE(p.source.empty());
  for (const std::string& name : scenario_names("profiles/networks"))
    for (const Provenance& p : load_network_profile(name).provenance) CHECK_FALSE(p.source.empty());
  for (const std::string& name : scenario_names("profiles/stacks"))
    for (const Provenance& p : load_stack_profile(name).provenance) CHECK_FALSE(p.source.empty());
}

TEST_CASE("a profile without one of its constants is refused by the constant's name") {
  const auto write = [](const std::string& text) {
    const std::string path = (std::filesystem::temp_directory_path() / "trainyard-profile-test.yaml").string();
    FILE* f = std::fopen(path.c_str(), "w");
    REQUIRE(f != nullptr);
    std::fputs(text.c_str(), f);
    std::fclose(f);
    return path;
  };
  const Job job = load_job((scenarios / "llama3-70b-64xh100.yaml").string());
  CHECK_THROWS_WITH(with_profile_file(job.profile, write("kind: network\nname: mine\nconstants: {}\n")),
                    Catch::Contains("collective_efficiency"));
  CHECK_THROWS_WITH(
      with_profile_file(job.profile, write("kind: network\nname: mine\ninherits: infiniband\nconstants:\n  "
                                           "p2p_eficiency: {value: 1, source: me}\n")),
      Catch::Contains("p2p_efficiency"));
  const Profile mine =
      with_profile_file(job.profile, write("kind: network\nname: mine\ninherits: infiniband\nconstants:\n  "
                                           "p2p_efficiency: {value: 0.5, source: my test}\n"));
  CHECK(mine.network.p2p_efficiency == 0.5);
  CHECK(mine.network.collective_efficiency == job.profile.network.collective_efficiency);
}

namespace {

// A profile file in a folder of its own, which the working directory is not.
std::string profile_file(const std::string& name, const std::string& text) {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "trainyard-profiles-test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / name, std::ios::binary) << text;
  return (folder / name).string();
}

}  // namespace

TEST_CASE("a profile inherits from a file beside it, and says where it names one that there is not") {
  const Profile base = load_job((scenarios / "llama3-70b-64xh100.yaml").string()).profile;
  profile_file("parent.yaml",
               "kind: device\nname: parent\ninherits: h100-sxm-80gb\nconstants:\n"
               "  kernel_launch: {value: 7us, source: my test}\n");
  const std::string child = profile_file("child.yaml", "kind: device\nname: child\ninherits: parent.yaml\n");
  CHECK(with_profile_file(base, child).device.kernel_launch.value == Approx(7e-6));
  for (const char* parent : {"no-such.yaml", "no-such-gpu", "megatron-core"})
    CHECK_THROWS_WITH(
        with_profile_file(base, profile_file("orphan.yaml", std::string("kind: device\nname: x\ninherits: ") + parent)),
        Catch::Contains("orphan.yaml:3:11") && Catch::Contains(parent));
}

TEST_CASE("a device profile of another GPU than the cluster's is warned of") {
  const std::string path = (scenarios / "llama3-70b-64xh100.yaml").string();
  const std::size_t before = load_job(path).warnings.size();
  const Job same = load_job(path, {}, profile_file("h100.yaml", "kind: device\nname: x\ninherits: h100-sxm-80gb\n"));
  CHECK(same.warnings.size() == before);
  const Job other = load_job(path, {}, profile_file("a100.yaml", "kind: device\nname: x\ninherits: a100-sxm-80gb\n"));
  REQUIRE(other.warnings.size() == before + 1);
  CHECK_THAT(other.warnings.back(), Catch::Contains("h100-sxm-80gb") && Catch::Contains("312"));
}

TEST_CASE("MFU and HFU are shares of the same peak, that of the run's precision") {
  for (const char* precision : {"bf16", "fp8", "nvfp4"}) {
    INFO(precision);
    const Job job = load_job((scenarios / "llama3-70b-64xh100.yaml").string(),
                             {{"cluster", "dgx-b200"}, {"workload.precision", precision}});
    const StepResult r = simulate_step(job, Routes(job.cluster)).result;
    CHECK(r.hfu == Approx(r.mfu).epsilon(0.1));  // nothing is recomputed
    CHECK(r.mfu < 0.6);
  }
}
