#include <catch2/catch.hpp>
#include <limits>
#include <nlohmann/json.hpp>

#include "analysis/comparison.hpp"
#include "analysis/report_json.hpp"
#include "tests/support/hand_built_step.hpp"

namespace trainyard {
namespace {

using nlohmann::json;
using testing::hand_built_job;
using testing::hand_built_step;

json report() { return json::parse(report_json(hand_built_job(), hand_built_step())); }

TEST_CASE("the simulate object has every key of the contract") {
  const json object = report();
  for (const char* key : {"schema_version", "step_time_s", "step_time_p10_s", "step_time_p90_s", "tokens_per_s_per_gpu",
                          "model_tflops_per_gpu", "mfu", "flops_convention", "breakdown_s", "communication", "memory",
                          "diagnosis", "engine", "events", "wall_time_s", "inputs_hash"}) {
    INFO(key);
    CHECK(object.contains(key));
  }
  CHECK(object["schema_version"] == 1);
  for (const char* key : {"axis", "collective", "group_size", "bytes", "count", "busy_s", "exposed_s", "slowest_link"})
    CHECK(object["communication"][0].contains(key));
  for (const char* key : {"limit_bytes", "fits", "peak_bytes", "per_stage"}) CHECK(object["memory"].contains(key));
  for (const char* key : {"stage", "peak_bytes", "weights_bytes", "gradients_bytes", "optimizer_bytes",
                          "activations_bytes", "temporary_bytes", "communication_bytes"})
    CHECK(object["memory"]["per_stage"][0].contains(key));
  for (const char* key : {"bound", "evidence", "slow_path", "next_experiment"})
    CHECK(object["diagnosis"].contains(key));
}

TEST_CASE("the breakdown has the nine terms and sums to the step time") {
  const json breakdown = report()["breakdown_s"];
  CHECK(breakdown.size() == 9);
  double sum = 0;
  for (const json& term : breakdown) sum += term.get<double>();
  CHECK(sum == Approx(0.010));
}

TEST_CASE("the owners of a stage's memory sum to its peak") {
  const json stage = report()["memory"]["per_stage"][1];
  double sum = 0;
  for (const char* owner : {"weights", "gradients", "optimizer", "activations", "temporary", "communication"})
    sum += stage[std::string(owner) + "_bytes"].get<double>();
  CHECK(sum == stage["peak_bytes"].get<double>());
}

TEST_CASE("the next experiment is the first one, and one that does not fit predicts no time") {
  const json diagnosis = report()["diagnosis"];
  CHECK(diagnosis["bound"] == "pipeline");
  CHECK(diagnosis["next_experiment"] == diagnosis["experiments"][0]);
  CHECK(diagnosis["experiments"][0]["predicted_step_time_s"] == Approx(0.016));
  CHECK(diagnosis["experiments"][1]["predicted_step_time_s"].is_null());
}

TEST_CASE("the plan is echoed under Megatron's names and the profile with its sources") {
  const json object = report();
  CHECK(object["plan"]["tensor_model_parallel_size"] == 4);
  CHECK(object["plan"]["schedule"] == "gpipe");
  CHECK(object["plan"]["overlap_grad_reduce"].is_null());
  CHECK(object["profile"]["constants"][0]["source"] == "public GEMM tables");
}

TEST_CASE("numbers that are not finite become null, and bytes that are no UTF-8 do not fail the report") {
  SimulatedStep step = hand_built_step();
  step.result.mfu = std::numeric_limits<double>::quiet_NaN();
  Job job = hand_built_job();
  job.name = "caf\xe9";
  CHECK(json::parse(report_json(job, step))["mfu"].is_null());
}

TEST_CASE("an infeasible plan is an object with its problems") {
  const json object = json::parse(problems_json("seven", {{"tp", "64 heads", false}}));
  CHECK(object["feasible"] == false);
  CHECK(object["problems"][0]["axis"] == "tp");
  CHECK(object["problems"][0]["reason"] == "64 heads");
}

TEST_CASE("the ledger alone has the keys of the report's memory") {
  const SimulatedStep step = hand_built_step();
  const json object = json::parse(memory_json(hand_built_job(), step.plan, step.result.memory));
  CHECK(object["per_stage"] == report()["memory"]["per_stage"]);
  CHECK(object["fits"] == true);
}

TEST_CASE("a comparison lists each term with both values and the difference") {
  const Job job = hand_built_job();
  const SimulatedStep a = hand_built_step();
  SimulatedStep b = hand_built_step();
  b.result.step_time = 8_ms;
  const json object = json::parse(compare_json({&job, &a}, {&job, &b}));
  CHECK(object["terms"][0]["term"] == "step_time_s");
  CHECK(object["terms"][0]["delta"] == Approx(-0.002));
  CHECK(object["terms"][0]["relative"] == Approx(-0.2));  // (8 - 10) / 10
}

}  // namespace
}  // namespace trainyard
