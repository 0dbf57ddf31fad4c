#include "analysis/adaptation/own_runs.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "analysis/adaptation/adaptation_json.hpp"
#include "analysis/adaptation/own_profile.hpp"
#include "analysis/adaptation/own_runs_text.hpp"
#include "analysis/validation/shipped_presets.hpp"
#include "analysis/validation/simulated_prediction.hpp"
#include "models/profile_yaml.hpp"
#include "tests/analysis/adaptation/synthetic_runs.hpp"

using namespace trainyard;
using namespace trainyard::adaptation_test;

namespace {

const OwnConstant& constant(const OwnRuns& result, const std::string& name) {
  for (const OwnConstant& c : result.constants)
    if (c.constant.id.constant == name) return c;
  FAIL("no constant " << name);
  return result.constants.front();
}

// Eight plans of Llama-3-8B on 16 H100, as a machine would measure them whose training GEMMs reach `factor` of ours.
struct Simulated {
  AdaptationProblem problem;
  Predictor predictor = simulated_prediction();
};
Simulated simulated(double factor) {
  std::vector<PublishedRun> runs;
  for (const std::int64_t tp : {1, 2, 4, 8})
    for (const std::int64_t micro_batch : {1, 2}) {
      PublishedRun run = validation_test::complete_run();
      run.id = "tp" + std::to_string(tp) + "-mbs" + std::to_string(micro_batch);
      run.gpus = 16;
      run.tp = tp;
      run.pp = 1;
      run.vpp.reset();
      run.dp = 16 / tp;
      run.micro_batch = micro_batch;
      run.schedule = "1f1b";
      run.step_time = Seconds(1);
      runs.push_back(run);
    }
  Simulated s{adaptation_problem(runs, shipped_mapping_rules(), shipped_presets())};
  for (AdaptationRow& row : s.problem.rows) {
    Job job = row.job;
    job.profile.device.training_derate *= factor;
    row.measured = std::get<Prediction>(s.predictor(job)).step_time * row.time_scale;
  }
  return s;
}

double mean_error(const Simulated& s, const OwnRuns& result, std::size_t first) {
  double sum = 0;
  for (std::size_t i = first; i < s.problem.rows.size(); ++i) {
    AdaptationRow row = s.problem.rows[i];
    for (const OwnConstant& c : result.constants) scale_constant(row.job.profile, c.constant.id, std::exp(c.adapted));
    sum += std::abs(std::expm1(*log_residual(s.problem, row, {}, s.predictor)));
  }
  return sum / static_cast<double>(s.problem.rows.size() - first);
}

}  // namespace

TEST_CASE("own runs bring back the constant they were made with and say which row taught it") {
  const OwnRuns result = adapt_to_runs(problem_of({runs_of("mine", "", 0.8, 1)}), two_constant_prediction, 1);
  REQUIRE(result.rows.size() == 6);
  // Of the last row's 6.4 s the derate scales 6: its error -ln(7.9 / 6.4) = -0.21 asks for about -0.21 · 0.9.
  CHECK(result.rows[5].taught->constant == "training_derate");
  CHECK(result.rows[5].taught_change ==
        Approx(-0.21 * 0.94 * 0.09 / (0.0025 + 0.09 * (0.94 * 0.94 + 0.06 * 0.06))).epsilon(0.05));
  for (const OwnRow& row : result.rows)
    CHECK(std::abs(row.after / row.measured - 1) < 0.2 * std::abs(row.before / row.measured - 1));
  const OwnConstant& derate = constant(result, "training_derate");
  CHECK(derate.learnt);
  CHECK(derate.rows == 6);
  CHECK(std::exp(derate.adapted) == Approx(0.8).epsilon(0.03));
  CHECK(derate.posterior < 0.3 * derate_spread);
}

TEST_CASE("one row works and moves one constant; what it cannot determine keeps its value") {
  const OwnRuns result = adapt_to_runs(problem_of({runs_of("mine", "", 0.8, 1, 1)}), two_constant_prediction, 1);
  CHECK(result.rows.size() == 1);
  int moved = 0;
  for (const OwnConstant& c : result.constants) {
    moved += c.moved ? 1 : 0;
    if (c.moved) continue;
    CHECK(c.adapted == 0.0);
    CHECK_FALSE(not_learnt_because(c).empty());
  }
  CHECK(moved == 1);
  CHECK_THAT(own_runs_text(result, {}), Catch::Contains("kept as before"));
}

TEST_CASE("rows without a prediction are named, and no usable row is no failure") {
  auto runs = runs_of("mine", "", 0.8, 1, 2);
  runs[0].hardware = "abacus";
  const OwnRuns one = adapt_to_runs(problem_of({runs}), two_constant_prediction, 1);
  CHECK(one.rows.size() == 1);
  REQUIRE(one.notes.size() == 1);
  CHECK_THAT(one.notes.front(), Catch::Contains("mine0") && Catch::Contains("abacus"));
  const Predictor refuses = [](const Job&) -> std::variant<Prediction, Skipped> { return Skipped{"infeasible: x"}; };
  const OwnRuns none = adapt_to_runs(problem_of({runs}), refuses, 2);
  CHECK(none.rows.empty());
  CHECK(none.notes.size() == 2);
  CHECK_THAT(own_runs_text(none, {}), Catch::Contains("infeasible: x") && Catch::Contains("No row"));
  CHECK(own_runs_json(none)["rows"].empty());
}

TEST_CASE("steps simulated with slower GEMMs bring the derate back") {
  const Simulated s = simulated(0.85);
  const OwnRuns result = adapt_to_runs(s.problem, s.predictor, 1);
  const OwnConstant& derate = constant(result, "training_derate");
  CHECK(derate.learnt);
  // Of ln 0.85 = -0.163 the prior (spread 0.08 of two sources) holds back a part: eight rows of noise 0.05 whose time
  // changes by 0.45 per derate know it to 0.05 / (0.45 √8) = 0.04, so about 0.04² / (0.04² + 0.08²) = 20 % of it, and
  // other constants that slow the same steps take their share.
  CHECK(derate.adapted < 0.6 * std::log(0.85));
  CHECK(derate.adapted > std::log(0.85));
  CHECK(mean_error(s, result, 0) < 0.25 * mean_error(s, OwnRuns{}, 0));
}

TEST_CASE("three measured plans improve the prediction of the others") {
  const Simulated s = simulated(0.85);
  Simulated three = s;
  three.problem.rows.resize(3);
  const OwnRuns result = adapt_to_runs(three.problem, three.predictor, 1);
  CHECK(mean_error(s, result, 3) < 0.5 * mean_error(s, OwnRuns{}, 3));
}

TEST_CASE("the written profile is what was adapted, in every part that changed") {
  const Simulated s = simulated(0.85);
  const OwnRuns result = adapt_to_runs(s.problem, s.predictor, 1);
  REQUIRE(result.profiles.size() == 1);
  const OwnProfile& of = result.profiles.front();
  CHECK(of.rows == 8);
  const Profile shipped = load_profile(of.device, of.network, of.stack);
  const std::string yaml = own_profile_yaml(shipped, result, "mine \"x\"", "runs: \\ \"8\" rows");
  CHECK_THAT(yaml, Catch::Contains("kind: profile") && Catch::Contains("inherits: \"" + of.device + "\"") &&
                       Catch::Contains("training_derate: {value: "));
  CHECK(adapted_profile(shipped, result).device.training_derate ==
        Approx(shipped.device.training_derate * std::exp(constant(result, "training_derate").adapted)));
}
