// `simulate` where every rank is simulated, through the command line.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/process.hpp"

namespace {

using Json = nlohmann::json;
using trainyard::testing::ProcessResult;

ProcessResult run(std::vector<std::string> args) {
  args.insert(args.begin(), TRAINYARD_BINARY);
  return trainyard::testing::run_process(args);
}
Json simulated(std::vector<std::string> more) {
  std::vector<std::string> args = {"simulate", "llama3-70b-64xh100", "--json", "--no-experiments"};
  args.insert(args.end(), more.begin(), more.end());
  const ProcessResult answer = run(args);
  REQUIRE(answer.exit_code == 0);
  return Json::parse(answer.out);
}

}  // namespace

TEST_CASE("a fluid run names its engine and the short links") {
  const Json step = simulated({"--engine", "fluid"});
  CHECK(step["engine"] == "fluid");
  CHECK(step["ranks"].size() == 4);
  REQUIRE_FALSE(step["links"].empty());
  CHECK(step["links"][0]["wanted_gbps"] > step["links"][0]["carries_gbps"]);
}

TEST_CASE("all ranks are listed once, and each accounts for the whole step") {
  const Json step = simulated({"--all-ranks"});
  CHECK(step["engine"] == "analytic");
  REQUIRE(step["ranks"].size() == 64);
  std::set<int> ranks;
  for (const Json& r : step["ranks"]) {
    ranks.insert(r["rank"].get<int>());
    double sum = 0;
    for (const auto& [part, time] : r["breakdown_s"].items()) sum += time.get<double>();
    CHECK(sum == Approx(step["step_time_s"].get<double>()));
  }
  CHECK(ranks.size() == 64);
}

TEST_CASE("a slow NIC is named, with what the step would take without it") {
  const ProcessResult answer = run({"simulate", "llama3-70b-64xh100", "--engine", "fluid", "--set",
                                    "stragglers.links=[{node: 1, nic: 3, bandwidth: 0.1}]"});
  CHECK(answer.exit_code == 0);
  CHECK_THAT(answer.out, Catch::Contains("node 1 NIC3 out (NET), at 10 % of its width"));
  CHECK_THAT(answer.out, Catch::Contains("with every part healthy"));
  CHECK_THAT(answer.out, Catch::Contains("Ranks unlike their stage"));
}

TEST_CASE("ten processes print the same bytes") {
  const auto text = [] {
    Json step = simulated({"--engine", "fluid", "--granularity", "layer"});
    step.erase("wall_time_s");
    return step.dump();
  };
  const std::string first = text();
  for (int i = 0; i < 9; ++i) REQUIRE(text() == first);
}

TEST_CASE("engines and stragglers that do not exist are refused") {
  CHECK(run({"simulate", "llama3-70b-64xh100", "--engine", "simgrid"}).exit_code == 2);
  for (const char* bad : {"stragglers.gpus=[{gpu: 64, speed: 0.8}]", "stragglers.gpus=[{gpu: 1, speed: 0}]",
                          "stragglers.gpus=[{gpu: 1, speed: .nan}]", "stragglers.gpus=[{gpu: 1}]", "stragglers.gpus=7",
                          "stragglers.links=[{node: 9, nic: 0, bandwidth: 0.5}]", "stragglers.jitter=-1",
                          "stragglers.links=[{node: 0, nic: nosuch, bandwidth: 0.5}]", "stragglers.colour=red"})
    CHECK(run({"simulate", "llama3-70b-64xh100", "--set", bad}).exit_code == 2);
}
