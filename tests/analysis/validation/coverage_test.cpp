#include "analysis/validation/coverage.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "analysis/validation/residual_json.hpp"
#include "analysis/validation/residual_text.hpp"

using namespace trainyard;

namespace {

// Predicted 1 s; measured as given.
ValidatedRun row(const std::string& stack, double measured, double p10 = 0.9, double p90 = 1.1) {
  ValidatedRun one;
  one.run.step_time = Seconds(measured);
  one.prediction = Prediction{.step_time = 1_s, .peak_memory = {}};
  one.profile.stack = stack;
  one.profile.step_time_p10 = p10;
  one.profile.step_time_p90 = p90;
  return one;
}

}  // namespace

TEST_CASE("a measured step is inside where it lies between p10 and p90 times the predicted one") {
  std::vector<ValidatedRun> rows = {row("b", 0.89), row("b", 0.9),  row("b", 1.0),
                                    row("b", 1.1),  row("b", 1.11), row("a", 1.3, 0.8, 1.4)};
  rows.push_back(row("a", 1));
  rows.back().prediction = Skipped{"x"};
  const std::vector<StackCoverage> stacks = coverage_by_stack(rows);
  REQUIRE(stacks.size() == 2);
  CHECK(stacks[0].stack == "a");
  CHECK(stacks[0].rows == 1);
  CHECK(stacks[0].inside == 1);
  CHECK(stacks[0].p90 == 1.4);
  CHECK(stacks[1].inside == 3);
  // Quantiles of 0.89, 0.9, 1.0, 1.1, 1.11: position 0.4 -> 0.89 + 0.4 · 0.01, position 3.6 -> 1.1 + 0.6 · 0.01
  CHECK(stacks[1].measured_p10 == Approx(0.894));
  CHECK(stacks[1].measured_p90 == Approx(1.106));
  CHECK(coverage(rows)->rows == 6);
  CHECK(coverage(rows)->inside == 4);
}

TEST_CASE("coverage in words says when the range is too narrow or too wide") {
  CHECK(coverage_sentence({}).empty());
  CHECK_FALSE(coverage({}));
  std::vector<ValidatedRun> rows(8, row("s", 1.0));
  CHECK_THAT(coverage_sentence(rows), Catch::Contains("8 of 8") && Catch::Contains("too wide"));
  rows.resize(10, row("s", 2.0));
  CHECK_THAT(coverage_sentence(rows), Catch::Contains("8 of 10 measured steps (80 %)") && !Catch::Contains("too"));
  rows.resize(14, row("s", 2.0));
  CHECK_THAT(coverage_sentence(rows), Catch::Contains("too narrow"));
  CHECK_THAT(coverage_table(rows, {}), Catch::Contains("measured p90") && Catch::Contains("all stacks"));
  CHECK(coverage_json(rows)["stacks"][0]["inside"] == 8);
  CHECK(coverage_json({})["all"].is_null());
}
