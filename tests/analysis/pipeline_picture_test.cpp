#include "analysis/pipeline_picture.hpp"

#include <catch2/catch.hpp>
#include <sstream>

#include "analysis/compute_gaps.hpp"
#include "tests/support/hand_built_step.hpp"

namespace trainyard {
namespace {

using Overrides = std::vector<std::pair<std::string, std::string>>;

constexpr auto kind_index = [](BarKind kind) { return static_cast<std::size_t>(kind); };

SimulatedStep simulated(const std::string& scenario, const Overrides& overrides, Granularity granularity,
                        const EngineChoice& engine = {}) {
  const Job job = load_job(std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/" + scenario + ".yaml", overrides);
  REQUIRE(check_plan(job.plan, job.model, job.workload, job.cluster).empty());
  return simulate_step(job, Routes(job.cluster), granularity, engine);
}

// "F0 0-1 F1 1-2 . 2-6", times in ms.
std::string in_words(const PipelineRow& row) {
  std::ostringstream out;
  for (const PipelineBar& bar : row.bars) {
    out << (out.tellp() > 0 ? " " : "") << "FBWXo~."[kind_index(bar.kind)];
    if (bar.micro_batch >= 0) out << bar.micro_batch;
    out << " " << bar.start.value * 1e3 << "-" << bar.end.value * 1e3;
  }
  return out.str();
}

void check_covers_the_step(const PipelinePicture& picture) {
  for (const PipelineRow& row : picture.rows) {
    REQUIRE_FALSE(row.bars.empty());
    CHECK(row.bars.front().start.value == 0);
    CHECK(row.bars.back().end == picture.end);
    for (std::size_t b = 0; b < row.bars.size(); ++b) {
      if (!(row.bars[b].end > row.bars[b].start)) FAIL("an empty bar on stage " << row.stage);
      if (b > 0 && row.bars[b].start != row.bars[b - 1].end) FAIL("a hole on stage " << row.stage);
    }
  }
}

struct Case {
  const char* scenario;
  Overrides overrides;
};
// Interleaved, 1f1b, zero bubble, bidirectional with fused passes, FSDP without a pipeline.
const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"llama3-70b-64xh100", {}},
      {"llama3-70b-64xh100", {{"plan.vpp", "1"}, {"plan.schedule", "1f1b"}, {"workload.global_batch_size", "16"}}},
      {"llama3-70b-64xh100", {{"plan.vpp", "1"}, {"plan.schedule", "zb-h1"}, {"workload.global_batch_size", "16"}}},
      {"deepseek-v3-2048xh200", {}},
      {"llama3-8b-64xh100-fsdp2", {}},
      {"mixtral-8x7b-64xh100", {}}};
  return all;
}

std::size_t bar_count(const PipelinePicture& picture) {
  std::size_t count = 0;
  for (const PipelineRow& row : picture.rows) count += row.bars.size();
  return count;
}

TEST_CASE("bars are the passes of a step and what lies between them") {
  const PipelinePicture picture = pipeline_picture(testing::hand_built_step());
  CHECK(picture.end == 10_ms);
  REQUIRE(picture.rows.size() == 2);
  // The gradients' all-reduce runs from 9 to 10 ms after everything else.
  CHECK(in_words(picture.rows[0]) == "F0 0-1 F1 1-2 . 2-6 B0 6-7.5 B1 7.5-9 ~ 9-10");
  CHECK(in_words(picture.rows[1]) == ". 0-1.5 F0 1.5-2.5 F1 2.5-4 B0 4-5.5 B1 5.5-7 . 7-9 ~ 9-10");
}

TEST_CASE("bars touch and cover the step at every granularity and with every engine") {
  for (const Case& c : cases())
    for (const Granularity g : {Granularity::block, Granularity::layer, Granularity::operator_}) {
      const bool large = std::string(c.scenario).find("2048") != std::string::npos;
      if (large && g == Granularity::operator_) continue;
      INFO(c.scenario << " " << static_cast<int>(g));
      check_covers_the_step(pipeline_picture(simulated(c.scenario, c.overrides, g)));
    }
  const Overrides small = {{"nodes", "2"},   {"plan.pp", "2"},          {"plan.vpp", "1"},
                           {"plan.tp", "8"}, {"plan.schedule", "1f1b"}, {"workload.global_batch_size", "8"}};
  check_covers_the_step(
      pipeline_picture(simulated("llama3-70b-64xh100", small, Granularity::layer, {EngineKind::analytic, true, true})));
}

TEST_CASE("kinds add up to the breakdown of their stage") {
  for (const Case& c : cases()) {
    const SimulatedStep step = simulated(c.scenario, c.overrides, Granularity::block);
    const PipelinePicture picture = pipeline_picture(step);
    REQUIRE(picture.rows.size() == step.result.per_stage.size());
    for (std::size_t s = 0; s < picture.rows.size(); ++s) {
      INFO(c.scenario << " stage " << s);
      const Breakdown& b = step.result.per_stage[s];
      const auto time = time_by_kind(picture.rows[s]);
      const double rounding = ComputeGaps::time_resolution * static_cast<double>(picture.rows[s].bars.size() + 1);
      CHECK(time[kind_index(BarKind::optimizer)].value == Approx(b.optimizer.value).margin(rounding));
      // What the host holds up outside the passes is idle, too, and where steps run into each other what is left of
      // the makespan before and after a stage's own window.
      const Seconds outside = step.timeline.makespan - step.result.step_time;
      const double idle = time[kind_index(BarKind::idle)].value;
      CHECK(idle >= b.bubble.value - rounding);
      CHECK(idle <= (b.bubble + b.other + outside).value + rounding);
      // In blocks communication that compute waits for is part of the pass.
      const double passes = time[kind_index(BarKind::forward)].value + time[kind_index(BarKind::backward)].value +
                            time[kind_index(BarKind::weight)].value + time[kind_index(BarKind::fused)].value;
      CHECK(passes >= b.compute.value - rounding);
      CHECK(time[kind_index(BarKind::communication)].value >= b.exposed_pp.value - rounding);
    }
  }
}

TEST_CASE("operators show what blocks wait for inside") {
  const Overrides plain = {{"plan.vpp", "1"}, {"plan.schedule", "1f1b"}, {"workload.global_batch_size", "16"}};
  const SimulatedStep step = simulated("llama3-70b-64xh100", plain, Granularity::operator_);
  const PipelinePicture picture = pipeline_picture(step);
  for (std::size_t s = 0; s < picture.rows.size(); ++s) {
    const Breakdown& b = step.result.per_stage[s];
    const Seconds exposed = b.exposed_tp + b.exposed_cp + b.exposed_ep + b.exposed_pp + b.exposed_dp;
    const double rounding = ComputeGaps::time_resolution * static_cast<double>(picture.rows[s].bars.size() + 1);
    CHECK(time_by_kind(picture.rows[s])[kind_index(BarKind::communication)].value ==
          Approx(exposed.value).margin(rounding));
  }
}

TEST_CASE("layers of one pass are one bar") {
  const Overrides plain = {{"plan.vpp", "1"}, {"plan.schedule", "1f1b"}, {"workload.global_batch_size", "16"}};
  const PipelinePicture blocks = pipeline_picture(simulated("gpt3-175b-64xa100", plain, Granularity::block));
  const PipelinePicture layers = pipeline_picture(simulated("gpt3-175b-64xa100", plain, Granularity::layer));
  REQUIRE(blocks.rows.size() == layers.rows.size());
  for (std::size_t s = 0; s < blocks.rows.size(); ++s) CHECK(blocks.rows[s].bars.size() == layers.rows[s].bars.size());
}

TEST_CASE("a bidirectional pipeline has fused bars that name both micro-batches") {
  const PipelinePicture picture = pipeline_picture(simulated("deepseek-v3-2048xh200", {}, Granularity::block));
  std::size_t fused = 0;
  for (const PipelineRow& row : picture.rows)
    for (const PipelineBar& bar : row.bars) {
      if (bar.kind != BarKind::fused) continue;
      ++fused;
      CHECK(bar.micro_batch >= 0);
      CHECK(bar.forward_micro_batch >= 0);
      CHECK(bar.forward_micro_batch != bar.micro_batch);
    }
  CHECK(fused > 0);
}

TEST_CASE("a stage of ranks that differ is the one that ends last") {
  SimulatedStep step = testing::hand_built_step();
  // Two lists of stage 0, the second of which ends half a millisecond later, and one of stage 1.
  std::vector<Span> slow = step.timeline.spans[0];
  slow[7].end = slow[8].start = Seconds(9.5e-3);
  slow[8].end = Seconds(10.5e-3);
  step.timeline.spans.insert(step.timeline.spans.begin() + 1, slow);
  step.timeline.lists = {{0, 4, RankId(0), 1.0}, {0, 4, RankId(4), 1.1}, {1, 8, RankId(8), 1.0}};
  step.timeline.makespan = Seconds(10.5e-3);
  const PipelinePicture picture = pipeline_picture(step);
  CHECK(in_words(picture.rows[0]) == "F0 0-1 F1 1-2 . 2-6 B0 6-7.5 B1 7.5-9.5 ~ 9.5-10.5");
  CHECK(in_words(picture.rows[1]) == ". 0-1.5 F0 1.5-2.5 F1 2.5-4 B0 4-5.5 B1 5.5-7 . 7-9 ~ 9-10 . 10-10.5");
}

TEST_CASE("a coarser picture keeps the step, the order and nearly the shares") {
  for (const Case& c : cases()) {
    const PipelinePicture fine = pipeline_picture(simulated(c.scenario, c.overrides, Granularity::layer));
    for (const std::size_t most : {std::size_t{100000000}, std::size_t{400}, fine.rows.size()}) {
      INFO(c.scenario << " " << most);
      const PipelinePicture coarse = coarsened(fine, most);
      CHECK(bar_count(coarse) <= most);
      check_covers_the_step(coarse);
      if (bar_count(fine) <= most) CHECK(coarse.rows[0].bars == fine.rows[0].bars);
      if (most != 400) continue;
      // Bars shorter than 2 rows / 400 of the step have been merged, or four times that; each kind may be off by one.
      const double longest = 8.0 * static_cast<double>(fine.rows.size()) / 400 * fine.end.value;
      for (std::size_t r = 0; r < fine.rows.size(); ++r) {
        const auto before = time_by_kind(fine.rows[r]), after = time_by_kind(coarse.rows[r]);
        for (std::size_t k = 0; k < bar_kinds; ++k) CHECK(std::abs((after[k] - before[k]).value) <= longest);
      }
    }
  }
}

TEST_CASE("fewer bars than stages is one bar each") {
  const PipelinePicture picture = coarsened(pipeline_picture(testing::hand_built_step()), 0);
  REQUIRE(picture.rows.size() == 2);
  CHECK(picture.rows[0].bars.size() == 1);
  CHECK(picture.rows[1].bars.size() == 1);
  CHECK(coarsened({}, 0).rows.empty());
}

}  // namespace
}  // namespace trainyard
