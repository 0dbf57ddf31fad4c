// What holds for every schedule, whatever its shape.
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <utility>

#include "sim/plan/schedule.hpp"
#include "tests/support/slot_simulator.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

std::string text(const PipelineShape& s) {
  return "p " + std::to_string(s.stages) + " chunks " + std::to_string(s.chunks) + " m " +
         std::to_string(s.micro_batches) + " group " + std::to_string(s.group) + (s.pairs ? " pairs" : "");
}

std::vector<int> virtual_stages_of(const ScheduleRow& row) {
  return row.virtual_stages == 0 ? std::vector<int>{2, 3} : std::vector<int>{row.virtual_stages};
}

// Few and many micro-batches for each number of stages, around p and 2 p and divisible or not.
std::vector<int> micro_batches_of(int stages) {
  return {1, 2, stages, stages + 1, 2 * stages, 2 * stages + 3, 5 * stages};
}

void for_each_shape(const ScheduleRow& row, const std::function<void(const PipelineShape&)>& visit) {
  for (int stages : {1, 2, 3, 4, 5, 8})
    for (int virtual_stages : virtual_stages_of(row))
      for (int micro_batches : micro_batches_of(stages))
        for (int group : {0, stages + 1})
          for (bool pairs : {false, true})
            visit({.stages = stages,
                   .chunks = row.chunks(virtual_stages),
                   .micro_batches = micro_batches,
                   .group = group,
                   .pairs = pairs});
}

void for_each_possible_shape(const std::function<void(const ScheduleRow&, const PipelineShape&)>& visit) {
  for (const ScheduleRow& row : schedules())
    for_each_shape(row, [&](const PipelineShape& shape) {
      INFO(row.name << ": " << text(shape));
      if (row.problem(shape).empty()) visit(row, shape);
    });
}

int copy_of(const ScheduleRow& row, const PipelineShape& shape, int micro_batch) {
  return micro_batch * row.copies / shape.micro_batches;
}

struct PassPosition {
  int forward = -1, backward = -1, weight = -1;
  friend bool operator==(const PassPosition&, const PassPosition&) = default;
};

// Where the slots of each (chunk, micro-batch) are; the test fails if one comes twice.
std::map<std::pair<int, int>, PassPosition> positions(const std::vector<Slot>& slots) {
  std::map<std::pair<int, int>, PassPosition> found;
  const auto put = [](int& position, int index) {
    CHECK(position == -1);
    position = index;
  };
  for (int i = 0; i < static_cast<int>(slots.size()); ++i) {
    const Slot& slot = slots[static_cast<std::size_t>(i)];
    PassPosition& p = found[{slot.chunk, slot.micro_batch}];
    if (slot.kind == SlotKind::forward) put(p.forward, i);
    if (slot.kind == SlotKind::backward || slot.kind == SlotKind::backward_input) put(p.backward, i);
    if (slot.kind == SlotKind::backward || slot.kind == SlotKind::backward_weight) put(p.weight, i);
  }
  return found;
}

bool in_order(const PassPosition& p) { return p.forward >= 0 && p.forward < p.backward && p.backward <= p.weight; }

auto forwards(const std::vector<Slot>& slots) {
  return std::count_if(slots.begin(), slots.end(), [](const Slot& s) { return s.kind == SlotKind::forward; });
}

}  // namespace

TEST_CASE("every stage runs each forward, backward and weight gradient of its chunks once and in this order") {
  for_each_possible_shape([](const ScheduleRow& row, const PipelineShape& shape) {
    for (int r = 0; r < shape.stages; ++r) {
      const auto found = positions(row.slots(shape, r));
      std::size_t expected = 0;
      for (int c = 0; c < shape.chunks; ++c)
        for (int i = 0; i < shape.micro_batches; ++i)
          if (row.place(shape, r, c).copy == copy_of(row, shape, i)) {
            ++expected;
            CHECK(found.contains({c, i}));
          }
      CHECK(found.size() == expected);
      CHECK(std::all_of(found.begin(), found.end(), [](const auto& entry) { return in_order(entry.second); }));
    }
  });
}

TEST_CASE("no schedule deadlocks, with or without hops") {
  for_each_possible_shape([](const ScheduleRow& row, const PipelineShape& shape) {
    const SlotRun run = run_slots(row, shape);
    CHECK(run.deadlock == "");
    CHECK(run_slots(row, shape, {.forward = 1.0, .backward_input = 3.0, .backward_weight = 0.5, .hop = 0.7}).deadlock ==
          "");
    CHECK(run.makespan() >= Approx(3.0 * shape.micro_batches));
  });
}

TEST_CASE("an order that waits for itself is reported as a deadlock") {
  ScheduleRow row = *find_schedule("gpipe");
  row.slots = [](const PipelineShape&, int stage) {
    const Slot forward{.kind = SlotKind::forward}, backward{.kind = SlotKind::backward};
    return stage == 0 ? std::vector{forward, backward} : std::vector{backward, forward};
  };
  CHECK(run_slots(row, {.stages = 2, .micro_batches = 1}).deadlock ==
        "stage 0 waits before B0.0, stage 1 waits before B0.0");
}

TEST_CASE("a paired forward is followed by the backward it runs with") {
  for_each_possible_shape([](const ScheduleRow& row, const PipelineShape& shape) {
    for (int r = 0; r < shape.stages; ++r) {
      const std::vector<Slot> slots = row.slots(shape, r);
      CHECK_FALSE(slots.back().paired);
      for (std::size_t i = 0; i + 1 < slots.size(); ++i) {
        if (!slots[i].paired) continue;
        CHECK(slots[i].kind == SlotKind::forward);
        CHECK(slots[i + 1].kind == SlotKind::backward);
        CHECK_FALSE(slots[i + 1].paired);
      }
    }
  });
}

TEST_CASE("only schedules that split the backward have slots of its halves") {
  for_each_possible_shape([](const ScheduleRow& row, const PipelineShape& shape) {
    bool split = false;
    for (int r = 0; r < shape.stages; ++r)
      for (const Slot& slot : row.slots(shape, r))
        split = split || slot.kind == SlotKind::backward_input || slot.kind == SlotKind::backward_weight;
    CHECK(split == row.splits_backward);
  });
}

TEST_CASE("the chunks of all stages are every model stage of every copy once") {
  for_each_possible_shape([](const ScheduleRow& row, const PipelineShape& shape) {
    const int model_stages = shape.stages * shape.chunks / row.copies;
    std::map<std::pair<int, int>, int> held;
    for (int r = 0; r < shape.stages; ++r)
      for (int c = 0; c < shape.chunks; ++c) {
        const ChunkPlace place = row.place(shape, r, c);
        CHECK((place.model_stage >= 0 && place.model_stage < model_stages));
        CHECK((place.copy >= 0 && place.copy < row.copies));
        ++held[{place.copy, place.model_stage}];
      }
    CHECK(held.size() == static_cast<std::size_t>(shape.stages * shape.chunks));
  });
}

TEST_CASE("stages hold no more activations than their schedule allows") {
  // In chunks; forwards without their backward. The other schedules' limits are those of their tables.
  using Limit = std::function<int(const PipelineShape&, int)>;
  const auto interleaved = [](const PipelineShape& s, int r) {
    const int group = s.group > 0 ? s.group : s.stages;
    return 2 * (s.stages - r - 1) + (s.chunks - 1) * group + 1 + (s.pairs ? 1 : 0);
  };
  const std::map<std::string, Limit> limits = {
      {"gpipe", [](const PipelineShape& s, int) { return s.micro_batches; }},
      {"1f1b", [](const PipelineShape& s, int r) { return s.stages - r + (s.pairs ? 1 : 0); }},
      {"interleaved", interleaved},
      {"breadth-first", [](const PipelineShape& s, int) { return s.micro_batches * s.chunks; }},
      {"zb-h1", [](const PipelineShape& s, int r) { return s.stages - r; }},
      {"zb-h2", [](const PipelineShape& s, int r) { return 2 * (s.stages - r) - 1; }},
      {"zb-v", [](const PipelineShape& s, int) { return 2 * s.stages; }},
      {"dualpipe", [](const PipelineShape& s, int) { return s.stages + 1; }}};
  for (const auto& [name, limit] : limits) {
    const ScheduleRow* row = find_schedule(name);
    REQUIRE(row != nullptr);
    for_each_shape(*row, [&](const PipelineShape& shape) {
      INFO(name << ": " << text(shape));
      if (!row->problem(shape).empty()) return;
      const SlotRun run = run_slots(*row, shape);
      for (int r = 0; r < shape.stages; ++r) {
        const double chunks = run.in_flight(r) * run.virtual_stages;
        CHECK(chunks <= Approx(std::min(limit(shape, r), shape.micro_batches * run.virtual_stages)));
      }
    });
  }
}

TEST_CASE("slots of shapes with a problem are still finite and name existing chunks") {
  for (const ScheduleRow& row : schedules())
    for_each_shape(row, [&](const PipelineShape& shape) {
      INFO(row.name << ": " << text(shape));
      if (row.problem(shape).empty()) return;
      for (int r = 0; r < shape.stages; ++r)
        for (const Slot& slot : row.slots(shape, r)) CHECK((slot.chunk >= 0 && slot.chunk < shape.chunks));
    });
}

TEST_CASE("a stage's order does not depend on what was asked before") {
  for (const ScheduleRow& row : schedules()) {
    INFO(row.name);
    const int chunks = row.chunks(virtual_stages_of(row).front());
    const PipelineShape shape{.stages = 2, .chunks = chunks, .micro_batches = 8};
    PipelineShape more_stages = shape, more_micro_batches = shape;
    more_stages.stages = 4;
    more_micro_batches.micro_batches = 16;
    const std::vector<Slot> first = row.slots(shape, 1);
    CHECK(forwards(row.slots(more_stages, 1)) == forwards(first));
    CHECK(row.slots(shape, 1) == first);
    CHECK(forwards(row.slots(more_micro_batches, 1)) == 2 * forwards(first));
    CHECK(row.slots(shape, 1) == first);
  }
}

TEST_CASE("shapes that cannot run say why") {
  const auto problem = [](std::string_view name, const PipelineShape& shape) {
    return find_schedule(name)->problem(shape);
  };
  CHECK(problem("interleaved", {.stages = 4, .chunks = 2, .micro_batches = 6}) ==
        "micro_batches 6 are not divisible by pp 4");
  CHECK(problem("interleaved", {.stages = 4, .chunks = 2, .micro_batches = 6, .group = 3}) ==
        "groups of 3 micro-batches are smaller than pp 4");
  CHECK(problem("interleaved", {.stages = 4, .chunks = 2, .micro_batches = 8, .group = 5}) ==
        "micro_batches 8 in groups of 5 leave a last group of 3, smaller than pp 4");
  CHECK(problem("interleaved", {.stages = 4, .chunks = 2, .micro_batches = 9, .group = 5}) == "");
  CHECK(problem("dualpipe", {.stages = 3, .chunks = 2, .micro_batches = 8}) ==
        "pp 3 is odd, and each half of the stages starts one copy");
  CHECK(problem("dualpipe", {.stages = 2, .chunks = 2, .micro_batches = 5}) ==
        "micro_batches 5 are odd, and each copy takes half of them");
  CHECK(problem("dualpipe", {.stages = 4, .chunks = 2, .micro_batches = 6}) ==
        "micro_batches 6 are fewer than 2 x pp 4");
  for (const ScheduleRow& row : schedules()) {
    INFO(row.name);
    const bool may_pair = row.name == "1f1b" || row.name == "interleaved";
    const PipelineShape shape{.stages = 2, .chunks = 2, .micro_batches = 8, .pairs = true};
    CHECK(row.problem(shape).empty() == may_pair);
  }
}

TEST_CASE("schedules are found by the names users write") {
  CHECK(find_schedule("1F1B") == nullptr);
  CHECK(find_schedule("") == nullptr);
  const std::vector<std::string> names = schedule_names();
  CHECK(names.size() == schedules().size());
  for (const std::string& name : names) CHECK(find_schedule(name)->name == name);
}

TEST_CASE("schedules that plan ahead finish and hold their limits whatever their passes cost") {
  for (const ScheduleRow& row : schedules()) {
    if (!row.plans_ahead) continue;
    for (int stages : {2, 3, 8})
      for (int micro_batches : {1, 5, 3 * stages})
        for (int backward : {8, 16, 21, 40})
          for (int weight : {2, 9, 16, 30}) {
            const PipelineShape shape{.stages = stages,
                                      .chunks = row.chunks(row.virtual_stages),
                                      .micro_batches = micro_batches,
                                      .costs = {16, backward, weight}};
            INFO(row.name << ": " << text(shape) << " costs 16 " << backward << " " << weight);
            const SlotRun run = run_slots(row, shape, {16.0, double(backward), double(weight), 0.0});
            CHECK(run.deadlock.empty());
            for (int stage = 0; stage < stages; ++stage) {
              CHECK(run.slots[static_cast<std::size_t>(stage)].size() ==
                    3U * static_cast<std::size_t>(micro_batches * shape.chunks));
              CHECK(run.in_flight(stage) <= 2.0 * stages);
            }
          }
  }
}

TEST_CASE("planning with the true costs of the passes is never slower than with equal ones where they differ much") {
  // Input gradients of twice and weight gradients of half a forward, as with attention that is recomputed or unfused.
  const PassTimes times{1.0, 2.0, 0.5, 0.0};
  for (const char* name : {"zb-h2", "zb-v"})
    for (int stages : {4, 8}) {
      const ScheduleRow& row = *find_schedule(name);
      PipelineShape shape{.stages = stages, .chunks = row.chunks(row.virtual_stages), .micro_batches = 4 * stages};
      const double equal = run_slots(row, shape, times).makespan();
      shape.costs = {16, 32, 8};
      INFO(name << " " << stages);
      CHECK(run_slots(row, shape, times).makespan() <= equal);
    }
}
