// The answer of a sweep as JSON and back.
#include <catch2/catch.hpp>

#include <limits>
#include <nlohmann/json.hpp>

#include "sim/base/errors.hpp"
#include "tests/analysis/sweep/built_answer.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::json;
using testing::answer_without_plans;
using testing::built_answer;

TEST_CASE("an answer comes back from its JSON as it was, to the last bit of its numbers") {
  CHECK(answer_from_json(answer_json(built_answer())) == built_answer());
}

TEST_CASE("an answer without a plan comes back, too") {
  CHECK(answer_from_json(answer_json(answer_without_plans())) == answer_without_plans());
}

TEST_CASE("extreme numbers survive") {
  SweepAnswer answer = built_answer();
  answer.best[0].step_time = Seconds(std::numeric_limits<double>::min());
  answer.best[0].layer_step_time = Seconds(std::numeric_limits<double>::max());
  answer.counts.pruned = std::int64_t{1} << 53;
  answer.counts.pruned += 1;  // no double has it
  CHECK(answer_from_json(answer_json(answer)) == answer);
}

TEST_CASE("writing twice gives the same bytes, also by way of the reader") {
  const std::string json = answer_json(built_answer());
  CHECK(answer_json(answer_from_json(json)) == json);
}

TEST_CASE("the keys that others rely on are there") {
  const Json json = Json::parse(answer_json(built_answer()));
  for (const char* key :
       {"enumerated", "excluded", "infeasible", "infeasible_reasons", "out_of_memory", "same_placement", "pruned",
        "evaluated", "best", "pareto", "launch_arguments", "why_runner_up_loses", "placement", "sensitivity",
        "warnings", "schema_version", "inputs_hash", "version"}) {
    INFO(key);
    CHECK(json.contains(key));
  }
  CHECK(json["enumerated"] == 1'204'312);
  const Json& best = json["best"].at(0);
  for (const char* key : {"rank", "index", "plan", "step_time_s", "step_time_p10_s", "step_time_p90_s",
                          "layer_step_time_s", "fluid_step_time_s", "mfu", "tokens_per_s_per_gpu", "peak_bytes",
                          "reserved_bytes", "breakdown_s", "ties", "key"}) {
    INFO(key);
    CHECK(best.contains(key));
  }
  CHECK(best["peak_bytes"] == 61.5 * 1024 * 1024 * 1024);
  CHECK(json["best"].at(2)["fluid_step_time_s"].is_null());
}

TEST_CASE("how long a run took is no part of its answer") {
  const Json json = Json::parse(answer_json(built_answer()));
  CHECK_FALSE(json.contains("wall_time_s"));
  CHECK_FALSE(json.contains("plans_per_s"));
}

TEST_CASE("text that is not UTF-8 does not stop the writer") {
  SweepAnswer answer = built_answer();
  answer.name = "caf\xe9";
  CHECK(answer_from_json(answer_json(answer)).best == answer.best);
}

TEST_CASE("what is no answer is an input error") {
  const std::string whole = answer_json(built_answer());
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("null"), std::string("{}"), std::string("7"),
        std::string("\0\xff\x80", 3), whole.substr(0, whole.size() / 2), whole + "x"}) {
    INFO(text.substr(0, 20));
    CHECK_THROWS_AS(answer_from_json(text), InputError);
  }
}

TEST_CASE("every missing key is an input error") {
  const Json whole = Json::parse(answer_json(built_answer()));
  for (const auto& [key, value] : whole.items()) {
    if (key == "enumerated" || key == "tie_ratio") continue;  // they follow from the others
    Json broken = whole;
    broken.erase(key);
    INFO(key);
    CHECK_THROWS_AS(answer_from_json(broken.dump()), InputError);
  }
}

TEST_CASE("every value of another type is an input error") {
  const Json whole = Json::parse(answer_json(built_answer()));
  for (const auto& [key, value] : whole.items()) {
    if (key == "enumerated" || key == "tie_ratio") continue;
    for (const Json& wrong : {Json(true), Json({{"a", "b"}}), Json(-1.5), Json::array({1})}) {
      const bool right_type = value.is_number_float() && wrong.is_number();
      if (right_type) continue;
      Json broken = whole;
      broken[key] = wrong;
      INFO(key << " = " << wrong.dump());
      CHECK_THROWS_AS(answer_from_json(broken.dump()), InputError);
    }
  }
}

TEST_CASE("numbers that JSON cannot say are an input error when they are read") {
  SweepAnswer answer = built_answer();
  answer.best[0].mfu = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(answer_from_json(answer_json(answer)), InputError);
}

TEST_CASE("an answer of another schema is refused") {
  Json json = Json::parse(answer_json(built_answer()));
  json["schema_version"] = 999;
  CHECK_THROWS_WITH(answer_from_json(json.dump()), Catch::Contains("schema_version"));
}

}  // namespace
}  // namespace trainyard
