#include <catch2/catch.hpp>

#include <map>
#include <set>

#include "analysis/sweep/shard.hpp"
#include "sim/base/errors.hpp"

namespace trainyard::testing {
namespace {

using Catch::Contains;
using Variables = std::map<std::string, std::string>;

Environment of(const Variables& variables) {
  return [variables](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

// "3/8"
std::string shard_of(const Variables& variables) {
  const Shard shard = shard_from("auto", of(variables));
  return std::to_string(shard.index) + "/" + std::to_string(shard.count);
}

std::string error_of(const std::string& text, const Variables& variables = {}) {
  try {
    shard_from(text, of(variables));
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

// As Slurm 22.05 sets them in the batch script of task 3 of --array=0-3, of a job with --ntasks=2.
const Variables array_batch = {{"SLURM_ARRAY_JOB_ID", "7"},     {"SLURM_ARRAY_TASK_ID", "3"},
                               {"SLURM_ARRAY_TASK_COUNT", "4"}, {"SLURM_ARRAY_TASK_MIN", "0"},
                               {"SLURM_ARRAY_TASK_MAX", "3"},   {"SLURM_ARRAY_TASK_STEP", "1"},
                               {"SLURM_PROCID", "0"},           {"SLURM_NTASKS", "2"}};

Variables with(Variables variables, const Variables& more) {
  for (const auto& [name, value] : more) variables[name] = value;
  return variables;
}

TEST_CASE("a shard in words is zero based") {
  CHECK(shard_from("3/8", of({})) == Shard{3, 8, "--shard"});
  CHECK(shard_from("0/1", of({})).count == 1);
  CHECK(shard_from("1/2", of(array_batch)) == Shard{1, 2, "--shard"});  // words go before the environment
}

TEST_CASE("words that are no shard are refused") {
  const std::string text = GENERATE(as<std::string>{}, "", "3", "/", "3/", "/8", "8/8", "9/8", "-1/8", "0/0", "1/-2",
                                    "+1/2", "1/2/3", "1/2x", " 1/2", "1.0/2", "0x1/2", "nan/2", "Auto", "0/1000001",
                                    "99999999999999999999/99999999999999999999");
  CAPTURE(text);
  CHECK_THAT(error_of(text), Contains("--shard"));
}

TEST_CASE("a process that nobody launched does everything") { CHECK(shard_from("auto", of({})) == Shard{0, 1, ""}); }

TEST_CASE("MPI's rank is the shard") {
  CHECK(shard_of({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}}) == "2/4");
  CHECK(shard_of({{"PMI_RANK", "0"}, {"PMI_SIZE", "3"}}) == "0/3");
}

TEST_CASE("srun's task is the shard") {
  CHECK(shard_of({{"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "5"}, {"SLURM_NTASKS", "6"}}) == "5/6");
}

TEST_CASE("a step may be smaller than its job") {
  const Variables step = {
      {"SLURM_STEP_ID", "1"}, {"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "8"}, {"SLURM_STEP_NUM_TASKS", "2"}};
  CHECK(shard_of(step) == "1/2");
}

TEST_CASE("the batch script is one process, however many tasks its job has") {
  CHECK(shard_of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}) == "0/1");
  // SLURM_BATCH_SCRIPT and SLURM_INTERACTIVE_STEP of slurm.h, as unsigned numbers.
  const std::string step = GENERATE("4294967291", "4294967290");
  CHECK(shard_of({{"SLURM_STEP_ID", step}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}) == "0/1");
}

TEST_CASE("a task of an array is a shard, however the array is numbered") {
  CHECK(shard_of(array_batch) == "3/4");
  const Variables odd = {{"SLURM_ARRAY_TASK_ID", "5"},
                         {"SLURM_ARRAY_TASK_MIN", "1"},
                         {"SLURM_ARRAY_TASK_MAX", "9"},
                         {"SLURM_ARRAY_TASK_STEP", "2"}};
  CHECK(shard_of(odd) == "2/5");  // 1 3 5 7 9
  CHECK(shard_of(with(odd, {{"SLURM_ARRAY_TASK_COUNT", "5"}})) == "2/5");
  CHECK(shard_of({{"SLURM_ARRAY_TASK_ID", "12"}, {"SLURM_ARRAY_TASK_MIN", "10"}, {"SLURM_ARRAY_TASK_COUNT", "4"}}) ==
        "2/4");
}

TEST_CASE("tasks inside the tasks of an array multiply") {
  const Variables srun = {{"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "2"}};
  CHECK(shard_of(with(array_batch, srun)) == "7/8");  // 3 × 2 + 1
  CHECK_THAT(shard_from("auto", of(with(array_batch, srun))).origin,
             Contains("SLURM_ARRAY_TASK_ID") && Contains("SLURM_PROCID"));
  CHECK(shard_of(with(array_batch, {{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "3"}})) == "9/12");
}

TEST_CASE("every process of an array of steps has a shard of its own") {
  std::set<std::string> shards;
  for (int task = 0; task < 4; ++task)
    for (int rank = 0; rank < 3; ++rank)
      shards.insert(shard_of(with(array_batch, {{"SLURM_ARRAY_TASK_ID", std::to_string(task)},
                                                {"SLURM_STEP_ID", "0"},
                                                {"SLURM_PROCID", std::to_string(rank)},
                                                {"SLURM_NTASKS", "3"}})));
  CHECK(shards.size() == 12);
  CHECK(shards.count("0/12") == 1);
  CHECK(shards.count("11/12") == 1);
}

TEST_CASE("mpirun goes before the step that it was started in") {
  const Variables orted = {{"SLURM_STEP_ID", "0"},
                           {"SLURM_PROCID", "1"},
                           {"SLURM_NTASKS", "2"},
                           {"OMPI_COMM_WORLD_RANK", "6"},
                           {"OMPI_COMM_WORLD_SIZE", "8"}};
  CHECK(shard_of(orted) == "6/8");
}

TEST_CASE("an environment that is half set names the variable") {
  CHECK_THAT(error_of("auto", {{"OMPI_COMM_WORLD_RANK", "1"}}), Contains("OMPI_COMM_WORLD_SIZE: is not set"));
  CHECK_THAT(error_of("auto", {{"PMI_SIZE", "4"}}), Contains("PMI_RANK: is not set"));
  CHECK_THAT(error_of("auto", {{"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "1"}}), Contains("SLURM_NTASKS: is not set"));
  CHECK_THAT(error_of("auto", {{"SLURM_ARRAY_TASK_ID", "1"}}), Contains("SLURM_ARRAY_TASK_MIN: is not set"));
  CHECK_THAT(error_of("auto", {{"SLURM_ARRAY_TASK_ID", "1"}, {"SLURM_ARRAY_TASK_MIN", "0"}}),
             Contains("SLURM_ARRAY_TASK_COUNT: is not set"));
  CHECK_THAT(error_of("auto", {{"SLURM_ARRAY_TASK_COUNT", "4"}}), Contains("SLURM_ARRAY_TASK_ID: is not set"));
}

TEST_CASE("an environment that makes no sense names the variable") {
  const std::string rank = GENERATE("", "x", "-1", "1.5", "4", "99999999999999999999");
  CAPTURE(rank);
  CHECK_THAT(error_of("auto", {{"PMI_RANK", rank}, {"PMI_SIZE", "4"}}), Contains("PMI_RANK"));
}

TEST_CASE("an array that is unevenly numbered, or contradicts itself, is refused") {
  // --array=1,5,7
  CHECK_THAT(error_of("auto", {{"SLURM_ARRAY_TASK_ID", "5"},
                               {"SLURM_ARRAY_TASK_COUNT", "3"},
                               {"SLURM_ARRAY_TASK_MIN", "1"},
                               {"SLURM_ARRAY_TASK_MAX", "7"},
                               {"SLURM_ARRAY_TASK_STEP", "1"}}),
             Contains("not evenly numbered") && Contains("--array=0-N"));
  CHECK_FALSE(error_of("auto", with(array_batch, {{"SLURM_ARRAY_TASK_STEP", "0"}})).empty());
  CHECK_FALSE(error_of("auto", with(array_batch, {{"SLURM_ARRAY_TASK_MIN", "4"}})).empty());
  CHECK_FALSE(error_of("auto", with(array_batch, {{"SLURM_ARRAY_TASK_ID", "4"}})).empty());
}

TEST_CASE("shards have files beside the results") {
  CHECK(shard_path("results.db", {3, 8, ""}) == "results.shard-3-of-8.db");
  CHECK(shard_path("/a.b/results", {0, 2, ""}) == "/a.b/results.shard-0-of-2");
  CHECK(shard_path("results.db", {0, 1, ""}) == "results.db");
}

TEST_CASE("every batch is owned by exactly one shard") {
  for (std::int64_t batch = 0; batch < 30; ++batch) {
    int owners = 0;
    for (int s = 0; s < 7; ++s) owners += owns({s, 7, ""}, batch) ? 1 : 0;
    CHECK(owners == 1);
  }
}

}  // namespace
}  // namespace trainyard::testing
