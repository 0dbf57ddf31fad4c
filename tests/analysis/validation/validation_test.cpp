#include <catch2/catch.hpp>

#include <atomic>
#include <stdexcept>

#include "analysis/validation/validation.hpp"
#include "tests/analysis/validation/fake_presets.hpp"

using namespace trainyard;
using namespace trainyard::validation_test;

namespace {

std::vector<PublishedRun> runs_with_batches(std::initializer_list<std::int64_t> batches) {
  std::vector<PublishedRun> runs;
  for (const std::int64_t batch : batches) {
    runs.push_back(complete_run());
    runs.back().id = "b" + std::to_string(batch);
    runs.back().global_batch = batch;
  }
  return runs;
}

// One second per 64 sequences.
std::variant<Prediction, Skipped> by_batch(const Job& job) {
  if (job.plan.global_batch_size > 1000) return Skipped{"too big"};
  return Prediction{.step_time = Seconds(job.plan.global_batch_size / 64.0), .peak_memory = 40_GiB};
}

}  // namespace

TEST_CASE("every row becomes a prediction or a reason, in order") {
  std::vector<PublishedRun> runs = runs_with_batches({128, 2048, 140});
  runs.push_back(complete_run());
  runs.back().hardware = "abacus";
  const auto rows = validate(runs, shipped_mapping_rules(), fake_presets(), by_batch);
  REQUIRE(rows.size() == 4);
  CHECK(std::get<Prediction>(rows[0].prediction).step_time == 2_s);
  CHECK(step_time_error(rows[0]) == Approx(0.0).margin(1e-12));
  CHECK(std::get<Skipped>(rows[1].prediction).reason == "too big");
  // 136 of 140 sequences take 136/64 s; scaled by 140/136
  CHECK(std::get<Prediction>(rows[2].prediction).step_time.value == Approx(140.0 / 64.0));
  CHECK(!rows[2].notes.empty());
  CHECK(std::get<Skipped>(rows[3].prediction).reason == "no cluster preset for hardware 'abacus'");
  CHECK(!step_time_error(rows[3]));
}

TEST_CASE("threads change nothing but the time it takes") {
  const std::vector<PublishedRun> runs = runs_with_batches({8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96});
  const MappingRules rules = shipped_mapping_rules();
  CHECK(validate(runs, rules, fake_presets(), by_batch, 1) == validate(runs, rules, fake_presets(), by_batch, 4));
}

TEST_CASE("what a predictor throws is thrown from the first such row") {
  const Predictor failing = [](const Job& job) -> std::variant<Prediction, Skipped> {
    if (job.plan.global_batch_size >= 16) throw std::runtime_error(job.name);
    return Skipped{};
  };
  CHECK_THROWS_WITH(validate(runs_with_batches({8, 24, 16}), shipped_mapping_rules(), fake_presets(), failing, 3),
                    "b24");
}

TEST_CASE("predictions as CSV, numbers for predictions and a quoted reason for skips") {
  ValidatedRun predicted, skipped;
  predicted.run.id = "a";
  predicted.prediction = Prediction{.step_time = Seconds(1.25), .peak_memory = 40_GiB, .out_of_memory = true};
  skipped.run.id = "b, too";
  skipped.prediction = Skipped{"no, thanks"};
  CHECK(predictions_csv({predicted, skipped}) ==
        "id,predicted_step_time_s,predicted_peak_mem_gib,predicted_oom,skipped_reason\n"
        "a,1.25,40,true,\n"
        "\"b, too\",,,,\"no, thanks\"\n");
}
