// Schedules that say they are periodic grow by whole cycles of their steady state.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "analysis/sweep/skeleton.hpp"
#include "sim/plan/plan.hpp"
#include "sim/plan/schedule.hpp"

using namespace trainyard;

namespace {

bool later_by(const Slot& earlier, Slot later, int micro_batches) {
  later.micro_batch -= micro_batches;
  return earlier == later;
}

// Is `longer` `shorter` with one more cycle: a common beginning, the cycle that its end repeats once more, and the rest
// of `shorter` a group of micro-batches later? A cycle holds each pass of a chunk once per micro-batch of the group.
bool has_one_more_cycle(const std::vector<Slot>& shorter, const std::vector<Slot>& longer, int group) {
  const auto same = std::mismatch(shorter.begin(), shorter.end(), longer.begin(), longer.end()).first;
  const auto begin = static_cast<std::size_t>(same - shorter.begin());
  const std::size_t cycle = longer.size() - shorter.size();
  if (begin < cycle) return false;
  for (std::size_t i = begin; i < begin + cycle; ++i)
    if (!later_by(longer[i - cycle], longer[i], group)) return false;
  for (std::size_t i = begin; i < shorter.size(); ++i)
    if (!later_by(shorter[i], longer[i + cycle], group)) return false;
  return true;
}

// On every stage.
bool grows_by_cycles(const ScheduleRow& row, const PipelineShape& shape, int group) {
  PipelineShape more = shape;
  more.micro_batches += group;
  for (int stage = 0; stage < shape.stages; ++stage)
    if (!has_one_more_cycle(row.slots(shape, stage), row.slots(more, stage), group)) return false;
  return true;
}

std::vector<PipelineShape> shapes_of(const ScheduleRow& row) {
  std::vector<PipelineShape> shapes;
  const bool grouped = row.virtual_stages == 0;
  // Passes in sixteenths of a forward: equal, a full recomputation, cheap weight gradients, attention-heavy.
  const std::vector<PassCosts> costs = row.plans_ahead
                                           ? std::vector<PassCosts>{{1, 1, 1}, {16, 32, 16}, {16, 17, 3}, {16, 22, 13}}
                                           : std::vector<PassCosts>{{1, 1, 1}};
  for (const int stages : {1, 2, 4, 8})
    for (const int virtual_stages : grouped ? std::vector<int>{2, 3, 4} : std::vector<int>{1})
      for (const int group : grouped ? std::vector<int>{0, stages + 1} : std::vector<int>{0})
        for (const bool pairs : {false, true})
          for (const PassCosts& c : costs)
            shapes.push_back({.stages = stages,
                              .chunks = row.chunks(virtual_stages),
                              .micro_batches = 1,
                              .group = group,
                              .pairs = pairs,
                              .costs = c});
  return shapes;
}

Plan plan_of(const ScheduleRow& row, const PipelineShape& shape) {
  Plan plan;
  plan.schedule = row.name;
  plan.pipeline_parallel = shape.stages;
  plan.virtual_stages = shape.chunks / row.copies;
  plan.interleave_group = shape.group;
  return plan;
}

}  // namespace

TEST_CASE("a periodic schedule puts one more cycle into its steady state for a group of micro-batches") {
  for (const ScheduleRow& row : schedules()) {
    if (!row.periodic) continue;
    int shapes = 0;
    for (PipelineShape shape : shapes_of(row))
      // Remainders of a last group that is smaller than the others.
      for (const int all : {10'000, 10'001, 10'003, 10'007}) {
        const ShortStep lengths = shortened(plan_of(row, shape), all);
        REQUIRE(lengths.skeleton < all);
        for (const int more : {0, 1, 5}) {
          shape.micro_batches = lengths.skeleton + more * lengths.group;
          if (!row.problem(shape).empty()) continue;
          INFO(row.name << ": " << shape.stages << " stages, " << shape.chunks << " chunks, " << shape.micro_batches
                        << " micro-batches, group " << shape.group << (shape.pairs ? ", pairs" : "") << ", costs "
                        << shape.costs.forward << " " << shape.costs.backward_input << " "
                        << shape.costs.backward_weight);
          CHECK(grows_by_cycles(row, shape, lengths.group));
          ++shapes;
        }
      }
    INFO(row.name);
    CHECK(shapes > 0);
  }
}

TEST_CASE("schedules that do all forwards first do not grow by cycles") {
  for (const int stages : {2, 4, 8}) {
    CHECK_FALSE(grows_by_cycles(*find_schedule("gpipe"), {.stages = stages, .micro_batches = 64}, 1));
    CHECK_FALSE(
        grows_by_cycles(*find_schedule("breadth-first"), {.stages = stages, .chunks = 2, .micro_batches = 64}, stages));
  }
}

TEST_CASE("a periodic schedule does not grow by cycles before it has a steady state") {
  CHECK_FALSE(grows_by_cycles(*find_schedule("1f1b"), {.stages = 8, .micro_batches = 4}, 1));
  CHECK_FALSE(grows_by_cycles(*find_schedule("interleaved"), {.stages = 8, .chunks = 2, .micro_batches = 8}, 8));
}

TEST_CASE("a skeleton has what the whole has left over from its groups") {
  Plan plan;
  plan.schedule = "interleaved";
  plan.pipeline_parallel = 4;
  plan.virtual_stages = 2;
  plan.interleave_group = 6;
  const ShortStep lengths = shortened(plan, 1000);  // 166 groups of 6 and 4
  CHECK(lengths.group == 6);
  CHECK(lengths.skeleton % 6 == 4);
  CHECK(lengths.outline % 6 == 4);
  CHECK(shortened(plan, 12).skeleton == 12);
  plan.schedule = "breadth-first";
  CHECK(shortened(plan, 1000).skeleton == 1000);
}
