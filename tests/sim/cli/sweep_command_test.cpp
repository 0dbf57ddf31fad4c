// The answers of `trainyard sweep` as a shell gets them: alone, in shards, again.
#include <catch2/catch.hpp>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/sim/cli/sweep_process.hpp"

namespace trainyard::testing {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using nlohmann::json;
using Words = std::vector<std::string>;

TEST_CASE("sweep prints one JSON object with the agreed keys, and the counts add up") {
  const ProcessResult result = sweep({"tiny", "--top", "2", "--json"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(result.err.empty());
  const json answer = json::parse(result.out);
  for (const char* key :
       {"enumerated", "infeasible", "out_of_memory", "evaluated", "wall_time_s", "plans_per_s", "best", "pareto"}) {
    INFO(key);
    CHECK(answer.contains(key));
  }
  std::int64_t sum = 0;
  for (const char* key : {"excluded", "infeasible", "out_of_memory", "same_placement", "pruned", "evaluated"})
    sum += answer.at(key).get<std::int64_t>();
  CHECK(answer.at("enumerated") == sum);
  CHECK(answer.at("best").size() == 2);
  for (const char* key : {"plan", "step_time_s", "peak_bytes", "mfu"}) CHECK(answer.at("best").at(0).contains(key));
  CHECK(answer.at("wall_time_s").get<double>() > 0);
}

TEST_CASE("a finished store answers at once, and show repeats its answer") {
  const SweepFolder folder;
  const std::string store = folder / "results.db";
  json first = json::parse(sweep({"tiny", "--top", "2", "-o", store, "--json"}).out);
  json again = json::parse(sweep({"tiny", "--top", "2", "-o", store, "--json"}).out);
  CHECK(first.at("plans_per_s").get<double>() > 0);
  CHECK(again.at("plans_per_s") == 0);  // it did none
  const json shown = json::parse(sweep({"show", store, "--json"}).out);
  CHECK_FALSE(shown.contains("wall_time_s"));
  for (json* answer : {&first, &again})
    for (const char* key : {"wall_time_s", "plans_per_s"}) answer->erase(key);
  CHECK(first == shown);
  CHECK(again == shown);
}

TEST_CASE("text and table are of the same answer") {
  const SweepFolder folder;
  const std::string store = folder / "results.db", table = folder / "best.csv";
  const ProcessResult text = sweep({"tiny", "--top", "2", "-o", store, "--csv", table});
  CHECK(text.exit_code == 0);
  CHECK_THAT(text.out, Contains("plans/s"));
  const ProcessResult csv = sweep({"show", store, "--csv", "-"});
  CHECK(csv.exit_code == 0);
  CHECK(csv.out == text_of(table));
  const ProcessResult shown = sweep({"show", store});
  CHECK_THAT(text.out, Catch::StartsWith(shown.out));
}

TEST_CASE("shards of a sweep merge to the answer of one process") {
  const SweepFolder folder;
  sweep({"tiny", "--top", "2", "-o", folder / "single.db"});
  for (const char* part : {"1/2", "0/2"}) {
    const ProcessResult shard = sweep({"tiny", "--top", "2", "-o", folder / "merged.db", "--shard", part, "--json"});
    INFO(shard.err);
    REQUIRE(shard.exit_code == 0);
    const json status = json::parse(shard.out);
    CHECK(status.at("shards") == 2);
    CHECK(status.at("store") == folder / fmt::format("merged.shard-{}-of-2.db", status.at("shard").get<int>()));
  }
  const ProcessResult merged = sweep({"merge", folder.path(), "-o", folder / "merged.db", "--json"});
  INFO(merged.err);
  CHECK(merged.exit_code == 0);
  CHECK(merged.out == sweep({"show", folder / "single.db", "--json"}).out);
  CHECK(merged.out == sweep({"show", folder / "merged.db", "--json"}).out);
}

TEST_CASE("the launcher's environment says which shard it is") {
  const SweepFolder folder;
  const ProcessResult shard =
      sweep({"tiny", "-o", folder / "r.db", "--shard", "auto", "--json"},
            {.text = "", .environment = {"OMPI_COMM_WORLD_RANK=2", "OMPI_COMM_WORLD_SIZE=3"}, .stdout_file = ""});
  INFO(shard.err);
  CHECK(shard.exit_code == 0);
  CHECK(fs::exists(folder / "r.shard-2-of-3.db"));
  const ProcessResult missing = sweep({"merge", folder.path(), "-o", folder / "r.db"});
  CHECK(missing.exit_code == 1);
  CHECK_THAT(missing.err, Contains("missing"));
  CHECK_FALSE(fs::exists(folder / "r.db"));
}

TEST_CASE("a folder with shards of several results needs to be told which") {
  const SweepFolder folder;
  for (const char* name : {"a.db", "b.db"}) sweep({"tiny", "--top", "1", "-o", folder / name, "--shard", "0/2"});
  check_usage_error({"merge", folder.path(), "-o", folder / "c.db"}, "a.db, b.db");
  const ProcessResult chosen = sweep({"merge", folder.path(), "-o", folder / "a.db"});
  CHECK(chosen.exit_code == 1);  // only one of its shards is there
  CHECK(sweep({"merge", folder / "nowhere", "-o", folder / "c.db"}).exit_code == 1);
}

TEST_CASE("where nothing is feasible the exit code is 3 and the answer says why") {
  const ProcessResult result = sweep({"tiny", "--set", "where=tp > 1000", "--json"});
  INFO(result.err);
  CHECK(result.exit_code == 3);
  const json answer = json::parse(result.out);
  CHECK(answer.at("best").empty());
  CHECK(answer.at("excluded") == answer.at("enumerated"));
}

TEST_CASE("where conditions leave nothing the text says so, and offers no other machine") {
  const ProcessResult result = sweep({"tiny", "--set", "where=tp > 1000"});
  CHECK(result.exit_code == 3);
  CHECK_THAT(result.out, Contains("`where` leaves none of the 2 592 plans") && !Contains("another machine"));
}

TEST_CASE("the arguments for Megatron are read back as the plan") {
  const SweepFolder folder;
  const json answer =
      json::parse(sweep({"tiny", "--set", "space.tp=2", "--set", "space.pp=2", "--top", "1", "--json"}).out);
  const json& launch = answer.at("launch_arguments").at(0);
  REQUIRE(launch.at("framework") == "Megatron-LM");
  const std::string script =
      folder.file("train.sh",
                  "torchrun --nproc_per_node 8 pretrain_gpt.py --num-layers 12 --hidden-size 768 "
                  "--num-attention-heads 12 --max-position-embeddings 1024 " +
                      launch.at("text").get<std::string>());
  const ProcessResult imported = run_process({TRAINYARD_BINARY, "import", "megatron-args", script});
  INFO(launch.at("text") << imported.err);
  REQUIRE(imported.exit_code == 0);
  CHECK_THAT(imported.out, Contains("tensor_model_parallel_size: 2") && Contains("global_batch_size: 32"));
  for (const json& setting : answer.at("best").at(0).at("plan").at("settings")) {
    const std::string text = setting.get<std::string>();  // "plan.data_parallel=zero1"
    const std::size_t equals = text.find('=');
    const std::string key = text.substr(5, equals - 5);
    if (key != "data_parallel_size") CHECK_THAT(imported.out, Contains(key + ": " + text.substr(equals + 1)));
  }
}

TEST_CASE("every subcommand's help ends with an example") {
  for (const Words& args :
       {Words{"--help"}, Words{"merge", "--help"}, Words{"show", "-h"}, Words{"submit", "--help"}}) {
    const ProcessResult result = sweep(args);
    CHECK(result.exit_code == 0);
    CHECK(result.err.empty());
    CHECK_THAT(result.out, Contains("example:\n  trainyard sweep "));
  }
}

}  // namespace
}  // namespace trainyard::testing
