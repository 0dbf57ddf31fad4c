#include <catch2/catch.hpp>

#include <cmath>

#include "analysis/validation/score.hpp"
#include "analysis/validation/score_json.hpp"
#include "analysis/validation/score_text.hpp"

using namespace trainyard;

namespace {

// A plan of one job ("tp" tells the plans apart) with its measured and predicted seconds.
ValidatedRun plan(const std::string& id, std::int64_t tp, double measured, double predicted) {
  ValidatedRun row;
  row.run.id = id;
  row.run.split_group = "g";
  row.run.tp = tp;
  row.run.outcome = Outcome::ok;
  row.run.step_time = Seconds(measured);
  row.prediction = Prediction{.step_time = Seconds(predicted), .peak_memory = 10_GiB};
  return row;
}

ValidatedRun out_of_memory(const std::string& id, std::int64_t tp, double predicted, bool predicted_oom) {
  ValidatedRun row = plan(id, tp, 1, predicted);
  row.run.step_time.reset();
  row.run.outcome = Outcome::oom;
  std::get<Prediction>(row.prediction).out_of_memory = predicted_oom;
  return row;
}

GroupScore only_group(const std::vector<ValidatedRun>& rows) {
  const std::vector<GroupScore> groups = score_groups(rows);
  REQUIRE(groups.size() == 1);
  return groups.front();
}

}  // namespace

TEST_CASE("quantiles interpolate between order statistics") {
  CHECK(quantile({4, 1, 3, 2}, 0.5) == Approx(2.5));  // between the 2nd and 3rd
  CHECK(quantile({4, 1, 3, 2}, 0.9) == Approx(3.7));  // position 0.9 * 3 = 2.7: 3 + 0.7 * (4 - 3)
  CHECK(quantile({7}, 0.9) == 7);
}

TEST_CASE("error statistics of four rows") {
  // |e| = 10, 20, 5, 5 %: mean 10 %; sorted 5 5 10 20: median 7.5, p90 at 2.7: 10 + 0.7 * 10 = 17; bias (10-20+5+5)/4 =
  // 0
  const ErrorStatistics e = error_statistics({{"a", 0.10}, {"b", -0.20}, {"c", 0.05}, {"d", 0.05}});
  CHECK(e.count == 4);
  CHECK(e.mape == Approx(0.10));
  CHECK(e.median == Approx(0.075));
  CHECK(e.p90 == Approx(0.17));
  CHECK(e.bias == Approx(0.0).margin(1e-12));
  CHECK(e.worst == "b");
  CHECK(e.worst_error == Approx(-0.20));
}

TEST_CASE("Kendall's tau-b") {
  CHECK(kendall_tau_b({1, 2, 3}, {10, 20, 30}) == Approx(1.0));
  CHECK(kendall_tau_b({1, 2, 3}, {30, 20, 10}) == Approx(-1.0));
  // pairs of {1,2,3,4} and {1,3,2,4}: 5 concordant, 1 discordant of 6: 4/6
  CHECK(kendall_tau_b({1, 2, 3, 4}, {1, 3, 2, 4}) == Approx(4.0 / 6.0));
  // {1,1,2} and {1,2,3}: pairs (1,2) tied in a; 2 concordant; untied in a 2, in b 3: 2 / sqrt(6)
  CHECK(kendall_tau_b({1, 1, 2}, {1, 2, 3}) == Approx(2.0 / std::sqrt(6.0)));
  CHECK(!kendall_tau_b({1, 1, 1}, {1, 2, 3}));
  CHECK(!kendall_tau_b({1}, {1}));
}

TEST_CASE("memory verdicts give precision, recall and balanced accuracy") {
  // 3 OOM caught, 1 missed, 2 false alarms, 6 fit: precision 3/5, recall 3/4, balanced (3/4 + 6/8) / 2
  const FitVerdicts v{.caught = 3, .missed = 1, .false_alarms = 2, .fits = 6};
  CHECK(v.precision() == Approx(0.6));
  CHECK(v.recall() == Approx(0.75));
  CHECK(v.balanced_accuracy() == Approx(0.75));
  CHECK(!FitVerdicts{}.precision());
  CHECK(!FitVerdicts{}.recall());
  CHECK(!FitVerdicts{.caught = 3}.balanced_accuracy());
}

TEST_CASE("a group counts rows, predictions, skips and verdicts") {
  ValidatedRun skipped = plan("s", 1, 1, 1);
  skipped.prediction = Skipped{"no profile"};
  ValidatedRun unmeasured = plan("u", 1, 1, 1);
  unmeasured.run.step_time.reset();
  ValidatedRun alarm = plan("a", 1, 2.0, 2.2);
  std::get<Prediction>(alarm.prediction).out_of_memory = true;
  alarm.run.peak_memory_gib = 8;  // predicted 10 GiB: +25 %
  const GroupScore score = only_group({skipped, unmeasured, alarm, out_of_memory("o", 1, 3, false)});
  CHECK(score.rows == 4);
  CHECK(score.predicted == 3);
  CHECK(score.skipped == std::map<std::string, int>{{"no profile", 1}});
  REQUIRE(score.time);
  CHECK(score.time->count == 1);
  CHECK(score.time->mape == Approx(0.1));
  REQUIRE(score.memory);
  CHECK(score.memory->bias == Approx(0.25));
  CHECK(score.verdicts == FitVerdicts{.caught = 0, .missed = 1, .false_alarms = 1, .fits = 1});
  CHECK(!score.ranking);
}

TEST_CASE("ranking: tau, regret of the choice and of a blind pick") {
  // measured 4, 5, 6; predicted 5, 4, 6: 2 of 3 pairs concordant, 1 discordant: tau 1/3.
  // Chosen: tp 2 (predicted 4) measured 5: regret 5/4 - 1. Blind: (0 + 1/4 + 1/2) / 3.
  const GroupScore score = only_group({plan("a", 1, 4, 5), plan("b", 2, 5, 4), plan("c", 4, 6, 6)});
  REQUIRE(score.ranking);
  CHECK(score.ranking->jobs == 1);
  CHECK(score.ranking->plans == 3);
  CHECK(score.ranking->kendall_tau == Approx(1.0 / 3.0));
  CHECK(score.ranking->regret == Approx(0.25));
  CHECK(score.ranking->worst_regret == Approx(0.25));
  CHECK(score.ranking->random_regret == Approx(0.25));
}

TEST_CASE("a plan that is predicted out of memory is not chosen") {
  ValidatedRun best = plan("a", 1, 4, 3);
  std::get<Prediction>(best.prediction).out_of_memory = true;
  const GroupScore score = only_group({best, plan("b", 2, 5, 4), plan("c", 4, 6, 6)});
  CHECK(score.ranking->regret == Approx(0.25));
}

TEST_CASE("a choice that ran out of memory is counted and the next one taken") {
  const GroupScore score = only_group({out_of_memory("o", 8, 1, false), out_of_memory("p", 16, 1, true),
                                       plan("a", 1, 4, 4), plan("b", 2, 5, 5), plan("c", 4, 6, 6)});
  CHECK(score.ranking->choices_out_of_memory == 1);  // o comes first; p is predicted not to fit
  CHECK(score.ranking->regret == Approx(0.0).margin(1e-12));
}

TEST_CASE("two plans, or three measurements of one, are no ranking, other jobs are not mixed in") {
  CHECK(!only_group({plan("a", 1, 4, 4), plan("b", 2, 5, 5)}).ranking);
  CHECK(!only_group({plan("a", 1, 4, 4), plan("b", 1, 5, 5), plan("c", 1, 6, 6)}).ranking);
  ValidatedRun other = plan("c", 4, 6, 6);
  other.run.global_batch = 64;
  CHECK(!only_group({plan("a", 1, 4, 4), plan("b", 2, 5, 5), other}).ranking);
}

TEST_CASE("the macro mean weighs groups, not rows") {
  ValidatedRun other = plan("z", 1, 10, 13);  // +30 %
  other.run.split_group = "h";
  // group g: errors 0 and +20 %: MAPE 10 %; group h: 30 %; macro 20 %
  const std::vector<GroupScore> groups = score_groups({plan("a", 1, 4, 4), other, plan("b", 2, 5, 6)});
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].group == "g");
  CHECK(groups[1].group == "h");
  const GroupScore macro = macro_mean(groups);
  CHECK(macro.rows == 3);
  CHECK(macro.time->count == 3);
  CHECK(macro.time->mape == Approx(0.2));
  CHECK(macro.time->worst == "z");
  CHECK(!macro.memory);
}

TEST_CASE("the scores as text, Markdown and JSON") {
  ValidatedRun skipped = plan("s", 1, 1, 1);
  skipped.prediction = Skipped{"no profile for gpu-x"};
  const std::vector<ValidatedRun> rows = {plan("a", 2, 4, 5), skipped};
  const std::vector<GroupScore> groups = score_groups(rows);
  const TextStyle style{.colour = false, .width = 240};
  CHECK_THAT(score_table(groups, style), Catch::Contains("25.0") && Catch::Contains("1 rows without a prediction"));
  CHECK_THAT(score_markdown(groups), Catch::StartsWith("| group |") && Catch::Contains("| g | 2 | 1 | 1 | 25.0 |"));
  CHECK_THAT(details_table(rows, style), Catch::Contains("tp 2") && Catch::Contains("+25.0"));
  CHECK_THAT(skips_text(rows), Catch::Contains("1  no profile for gpu-x") && Catch::Contains("s"));
  const std::string json = score_json(groups);
  CHECK_THAT(json, Catch::Contains("\"mape\": 0.25") && Catch::Contains("\"no profile for gpu-x\": 1") &&
                       Catch::Contains("\"ranking\": null"));
}
