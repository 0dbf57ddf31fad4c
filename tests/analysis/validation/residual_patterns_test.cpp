#include "analysis/validation/residual_patterns.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

#include "analysis/validation/residual_json.hpp"
#include "analysis/validation/residual_text.hpp"

using namespace trainyard;

namespace {

// Rows of a sweep over tp 1, 2, 4, 8 and micro-batch 1 … 9, predicted within ±1 % in no order; pp 1, 2, 4, 1 … beside.
std::vector<ValidatedRun> sweep(const std::string& group, const std::string& precision) {
  std::vector<ValidatedRun> rows;
  int turn = static_cast<int>(group.size());
  for (const std::int64_t tp : {1, 2, 4, 8})
    for (std::int64_t micro_batch = 1; micro_batch <= 9; ++micro_batch) {
      ValidatedRun& row = rows.emplace_back();
      row.run.id = group + std::to_string(rows.size());
      row.run.split_group = group;
      row.run.tp = tp;
      row.run.micro_batch = micro_batch;
      row.run.pp = std::int64_t{1} << (rows.size() % 3);
      row.run.precision = precision;
      row.run.step_time = Seconds(10);
      turn = (turn * 7 + 3) % 11;  // 0 … 10
      row.prediction = Prediction{.step_time = Seconds(10 * (1 + (turn - 5) * 0.002)), .peak_memory = {}};
      row.profile.stack = group + "-stack";
    }
  return rows;
}

void scale(ValidatedRun& row, double factor) { std::get<Prediction>(row.prediction).step_time *= factor; }

std::vector<ValidatedRun> joined(std::initializer_list<std::vector<ValidatedRun>> groups) {
  std::vector<ValidatedRun> all;
  for (const auto& group : groups) all.insert(all.end(), group.begin(), group.end());
  return all;
}

}  // namespace

TEST_CASE("a planted pattern is found first, with the values of its axis together") {
  auto wrong = sweep("bad", "bf16");
  for (ValidatedRun& row : wrong)
    if (row.run.tp == 2 || row.run.tp == 4) scale(row, 0.8);
  const auto rows = joined({sweep("a", "bf16"), wrong, sweep("ccc", "bf16")});
  const std::vector<ResidualPattern> patterns = residual_patterns(rows);
  REQUIRE_FALSE(patterns.empty());
  const ResidualPattern& first = patterns.front();
  CHECK(to_text(first) == "bad, tp 2 and 4: −20 % over 18 rows");
  CHECK(first.share > 0.9);  // the rest is 1 % noise
  CHECK(first.surprise > 10);
  CHECK(first.ids.size() == 18);
  CHECK(patterns.size() == 1);
}

TEST_CASE("two conditions are found where only their overlap is wrong") {
  auto wrong = sweep("bad", "bf16");
  int overlap = 0;
  for (ValidatedRun& row : wrong)
    if (row.run.tp.value() >= 4 && row.run.pp == 2) {
      scale(row, 1.3);
      ++overlap;
    }
  REQUIRE(overlap == 6);
  const std::vector<ResidualPattern> patterns = residual_patterns(joined({sweep("a", "bf16"), wrong}));
  REQUIRE_FALSE(patterns.empty());
  CHECK(to_text(patterns.front()) == "bad, tp 4 and 8, pp 2: +30 % over 6 rows");
}

TEST_CASE("what several groups agree on is blamed on what they share") {
  auto a = sweep("a", "fp8"), b = sweep("bb", "fp8"), c = sweep("ccc", "bf16");
  for (auto* group : {&a, &b})
    for (ValidatedRun& row : *group) scale(row, 1.1);
  const std::vector<ResidualPattern> patterns = residual_patterns(joined({a, b, c}));
  REQUIRE_FALSE(patterns.empty());
  CHECK(to_text(patterns.front()) == "several groups, precision fp8: +10 % over 72 rows");
}

TEST_CASE("noise, few rows and rows without a time make no pattern") {
  CHECK(residual_patterns(joined({sweep("a", "bf16"), sweep("bb", "fp8")})).empty());
  CHECK(residual_patterns({}).empty());
  auto two = sweep("a", "bf16");
  two.resize(2);
  for (ValidatedRun& row : two) scale(row, 2);
  CHECK(residual_patterns(two).empty());
  two[0].prediction = Skipped{"x"};
  two[1].run.step_time.reset();
  CHECK(residual_patterns(two).empty());
  CHECK(values_by_axis(two).empty());
}

TEST_CASE("an axis says how far a value is off beyond its group") {
  auto slow = sweep("slow", "bf16"), fast = sweep("f", "bf16");
  for (ValidatedRun& row : slow) scale(row, 1.2);  // the whole group: not the fault of any tp
  for (auto* group : {&slow, &fast})
    for (ValidatedRun& row : *group)
      if (row.run.tp == 8) scale(row, 0.7);
  const std::vector<AxisValue> values = values_by_axis(joined({slow, fast}));
  const auto tp = [&](const std::string& value) {
    return *std::find_if(values.begin(), values.end(),
                         [&](const AxisValue& v) { return v.axis == "tp" && v.value == value; });
  };
  CHECK(tp("8").groups == 2);
  CHECK(tp("8").rows == 18);
  CHECK(tp("8").bias == Approx((1.2 * 0.7 + 0.7) / 2 - 1).margin(0.01));
  // ln 0.7 less its quarter of the group: three quarters of -0.357
  CHECK(tp("8").within == Approx(std::expm1(0.75 * std::log(0.7))).margin(0.01));
  CHECK(tp("1").within > 0.0);
  CHECK(tp("8").surprise > tp("1").surprise);
  const auto first = std::find_if(values.begin(), values.end(), [](const AxisValue& v) { return v.axis == "tp"; });
  CHECK(first->value == "8");  // the most surprising of its axis
  // Everything has the same precision here: no axis of one value.
  CHECK(std::none_of(values.begin(), values.end(), [](const AxisValue& v) { return v.axis == "precision"; }));
}

TEST_CASE("patterns as text, Markdown and JSON") {
  auto wrong = sweep("bad", "bf16");
  for (ValidatedRun& row : wrong)
    if (row.run.tp == 2) scale(row, 0.8);
  const auto rows = joined({sweep("a", "bf16"), wrong});
  const auto patterns = residual_patterns(rows);
  CHECK_THAT(patterns_text(patterns, {}), Catch::Contains("bad, tp 2") && Catch::Contains("in no pattern"));
  CHECK_THAT(patterns_text({}, {}), Catch::Contains("beyond chance"));
  CHECK_THAT(patterns_markdown(patterns), Catch::Contains("| bad, tp 2 |"));
  CHECK_THAT(axes_text(values_by_axis(rows), {}), Catch::Contains("within groups"));
  const nlohmann::ordered_json json = patterns_json(patterns);
  CHECK(json[0]["conditions"][0] == "tp 2");
  CHECK(json[0]["bias"].get<double>() == Approx(-0.2).margin(0.01));
  CHECK(axes_json(values_by_axis(rows)).size() == values_by_axis(rows).size());
}
