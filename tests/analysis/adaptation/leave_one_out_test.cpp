#include "analysis/adaptation/leave_one_out.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "analysis/adaptation/adaptation_json.hpp"
#include "analysis/adaptation/leave_one_out_text.hpp"
#include "tests/analysis/adaptation/synthetic_runs.hpp"

using namespace trainyard;
using namespace trainyard::adaptation_test;

namespace {

LeaveOneOut studied(const std::vector<std::vector<PublishedRun>>& sources) {
  return leave_one_out(problem_of(sources), two_constant_prediction, {});
}

const LeftOutScore& score(const LeaveOneOut& study, const std::string& group) {
  for (const LeftOutScore& s : study.groups)
    if (s.group == group) return s;
  FAIL("no group " << group);
  return study.groups.front();
}

}  // namespace

TEST_CASE("what the other sources teach predicts the one left out") {
  const LeaveOneOut study = studied({runs_of("a", "A", 0.8, 1), runs_of("b", "B", 0.8, 1), runs_of("c", "C", 0.8, 1)});
  REQUIRE(study.groups.size() == 3);
  for (const LeftOutScore& s : study.groups) {
    INFO(s.group);
    CHECK(s.rows == 6);
    // With derate 1.0 instead of 0.8 the compute, most of the step, is predicted 20 % too short.
    CHECK(s.prior.bias < -0.1);
    CHECK(s.tuned == s.prior);  // no prior of its own: the value
    CHECK(s.left_out.mape < 0.02);
    CHECK(s.three_rows->mape < 0.02);
  }
  REQUIRE(study.constants.size() == 2);
  CHECK(std::exp(study.constants[0].fitted) == Approx(0.8).epsilon(0.03));
}

TEST_CASE("the measured times of a source do not change what is predicted for it") {
  const auto a = runs_of("a", "A", 0.8, 1), b = runs_of("b", "B", 0.85, 1);
  const LeaveOneOut once = studied({a, b, runs_of("c", "C", 0.8, 1)});
  const LeaveOneOut slower = studied({a, b, runs_of("c", "C", 0.8, 1.5)});
  // The same predictions against times 1.5 times as long: 1 + bias falls to two thirds.
  CHECK(1 + score(slower, "c").left_out.bias == Approx((1 + score(once, "c").left_out.bias) / 1.5).epsilon(1e-9));
  // For the others it is a source to learn from.
  CHECK(score(slower, "a").left_out.bias != Approx(score(once, "a").left_out.bias).epsilon(1e-3));
}

TEST_CASE("groups of one publication are left out together") {
  const auto a = runs_of("a", "A", 0.9, 1), b = runs_of("b", "B", 0.9, 1), c = runs_of("c", "same", 0.7, 1);
  const double alone = score(studied({a, b, c}), "c").left_out.bias;
  const auto related = runs_of("d", "same", 0.7, 1), unrelated = runs_of("d", "D", 0.7, 1);
  CHECK(score(studied({a, b, c, related}), "c").left_out.bias == Approx(alone).epsilon(1e-12));
  CHECK(std::abs(score(studied({a, b, c, unrelated}), "c").left_out.bias) < std::abs(alone) - 0.01);
}

TEST_CASE("no row of the left-out source is asked for before the fit to the others is done") {
  const AdaptationProblem problem =
      problem_of({runs_of("a", "A", 0.8, 1), runs_of("b", "B", 0.8, 1), runs_of("c", "C", 0.8, 1)});
  std::string stage, order;  // the groups asked for while c is left out, repetitions removed
  const Predictor spy = [&](const Job& job) {
    if (stage == "without c" && (order.empty() || order.back() != job.name.front())) order += job.name.front();
    return two_constant_prediction(job);
  };
  LeaveOneOutOptions options;
  options.progress = [&](const std::string& now) { stage = now; };
  leave_one_out(problem, spy, options);
  REQUIRE_FALSE(order.empty());
  CHECK(order.find('c') == order.size() - 1);  // the others, then c alone: it is only scored
}

TEST_CASE("a constant that one source alone feels falls back to its prior and is named") {
  auto lonely = runs_of("c", "C", 0.7, 1);
  for (PublishedRun& run : lonely) run.hardware = "DGX-A100-80GB-SXM";
  const LeaveOneOut study = studied({runs_of("a", "A", 0.8, 1), runs_of("b", "B", 0.8, 1), lonely});
  const LeftOutScore& c = score(study, "c");
  REQUIRE(c.learnt_here_only.size() == 1);
  CHECK_THAT(c.learnt_here_only.front(), Catch::Contains("training_derate"));
  CHECK(c.left_out.bias == Approx(c.prior.bias).margin(0.03));
  CHECK(c.three_rows->mape < 0.5 * c.left_out.mape);  // three of its own rows teach it
}

TEST_CASE("a study of nothing, of one source and of two rows does not fail") {
  CHECK(studied({}).groups.empty());
  CHECK_THAT(leave_one_out_text(studied({}), {}), Catch::Contains("nothing to leave out"));
  const LeaveOneOut single = studied({runs_of("a", "A", 0.8, 1)});
  CHECK(single.groups.front().left_out == single.groups.front().prior);
  CHECK_FALSE(studied({runs_of("a", "A", 0.8, 1, 2)}).groups.front().three_rows);
  auto tier_b = runs_of("b", "B", 0.8, 1);
  for (PublishedRun& run : tier_b) run.tier = "B";
  CHECK(studied({runs_of("a", "A", 0.8, 1), tier_b}).groups.size() == 1);
}

TEST_CASE("the study is printed beside the tuned numbers, with its mean") {
  const LeaveOneOut study = studied({runs_of("a", "A", 0.8, 1), runs_of("b", "B", 0.8, 1)});
  const std::string text = leave_one_out_text(study, {});
  CHECK_THAT(text, Catch::Contains("tuned") && Catch::Contains("prior only") && Catch::Contains("with three rows") &&
                       Catch::Contains("mean") && Catch::Contains("training_derate"));
  CHECK_THAT(leave_one_out_markdown(study), Catch::StartsWith("| source | rows |") && Catch::Contains("| mean | 12 |"));
  const nlohmann::ordered_json json = leave_one_out_json(study);
  CHECK(json["groups"].size() == 2);
  CHECK(json["mean"]["left_out"]["mape"].get<double>() == Approx(mean_of(study.groups).left_out.mape));
  CHECK(json["constants"][0]["constant"] == "training_derate");
}
