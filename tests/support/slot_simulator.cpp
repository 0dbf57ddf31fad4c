#include "tests/support/slot_simulator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>

namespace trainyard::testing {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

std::string text(const Slot& slot, const Notation& notation) {
  std::string_view letter = "F";
  if (slot.kind == SlotKind::backward) letter = notation.fused;
  if (slot.kind == SlotKind::backward_input) letter = "B";
  if (slot.kind == SlotKind::backward_weight) letter = "W";
  return notation.chunks ? fmt::format("{}{}.{}", letter, slot.micro_batch, slot.chunk)
                         : fmt::format("{}{}", letter, slot.micro_batch);
}

class SlotSimulator {
 public:
  SlotSimulator(const ScheduleRow& row, const PipelineShape& shape, const PassTimes& times)
      : row_(row), times_(times), model_stages_(shape.stages * shape.chunks / row.copies) {
    run_.shape = shape;
    run_.virtual_stages = shape.chunks / row.copies;
    for (int r = 0; r < shape.stages; ++r) run_.slots.push_back(row.slots(shape, r));
    run_.starts.resize(at(shape.stages));
    run_.ends.resize(at(shape.stages));
    const std::size_t passes = at(row.copies * model_stages_ * shape.micro_batches);
    forwards_.resize(passes);
    backwards_.resize(passes);
  }

  SlotRun run() {
    bool any = true;
    while (any) {
      any = false;
      for (int r = 0; r < run_.shape.stages; ++r)
        while (advance(r)) any = true;
    }
    name_waiting();
    return std::move(run_);
  }

 private:
  struct Output {
    double time = 0.0;
    int stage = 0;
  };
  using Outputs = std::vector<std::optional<Output>>;

  std::size_t pass(const ChunkPlace& place, int micro_batch) const {
    return at((place.copy * model_stages_ + place.model_stage) * run_.shape.micro_batches + micro_batch);
  }

  std::optional<double> arrival(const Outputs& outputs, const ChunkPlace& place, int micro_batch, int stage) const {
    const std::optional<Output>& output = outputs[pass(place, micro_batch)];
    if (!output) return std::nullopt;
    return output->time + (output->stage == stage ? 0.0 : times_.hop);
  }

  // When all that a slot needs is there; nullopt while an op it needs has not run.
  std::optional<double> ready(const Slot& slot, int stage) const {
    const ChunkPlace place = row_.place(run_.shape, stage, slot.chunk);
    const ChunkPlace before{place.model_stage - 1, place.copy}, after{place.model_stage + 1, place.copy};
    if (slot.kind == SlotKind::backward_weight) return arrival(backwards_, place, slot.micro_batch, stage);
    if (slot.kind == SlotKind::forward)
      return place.model_stage == 0 ? 0.0 : arrival(forwards_, before, slot.micro_batch, stage);
    const std::optional<double> own = arrival(forwards_, place, slot.micro_batch, stage);
    if (place.model_stage + 1 == model_stages_ || !own) return own;
    const std::optional<double> gradient = arrival(backwards_, after, slot.micro_batch, stage);
    return gradient ? std::optional(std::max(*own, *gradient)) : std::nullopt;
  }

  double duration(const Slot& slot) const {
    const double share = 1.0 / run_.virtual_stages;
    switch (slot.kind) {
      case SlotKind::forward:
        return share * times_.forward;
      case SlotKind::backward:
        return share * (times_.backward_input + times_.backward_weight);
      case SlotKind::backward_input:
        return share * times_.backward_input;
      case SlotKind::backward_weight:
        return share * times_.backward_weight;
    }
    return 0.0;
  }

  bool advance(int stage) {
    const std::vector<Slot>& slots = run_.slots[at(stage)];
    std::vector<double>&starts = run_.starts[at(stage)], &ends = run_.ends[at(stage)];
    const std::size_t next = starts.size();
    if (next == slots.size()) return false;
    const std::size_t count = slots[next].paired ? 2 : 1;
    double start = ends.empty() ? 0.0 : ends.back(), length = 0.0;
    for (std::size_t i = next; i < next + count; ++i) {
      const std::optional<double> inputs = ready(slots.at(i), stage);
      if (!inputs) return false;
      start = std::max(start, *inputs);
      length += duration(slots[i]);
    }
    for (std::size_t i = next; i < next + count; ++i) {
      starts.push_back(start);
      ends.push_back(start + length);
      put(slots[i], stage, start + length);
    }
    return true;
  }

  void put(const Slot& slot, int stage, double end) {
    if (slot.kind == SlotKind::backward_weight) return;
    const std::size_t index = pass(row_.place(run_.shape, stage, slot.chunk), slot.micro_batch);
    (slot.kind == SlotKind::forward ? forwards_ : backwards_)[index] = Output{end, stage};
  }

  void name_waiting() {
    for (int r = 0; r < run_.shape.stages; ++r) {
      const std::size_t next = run_.starts[at(r)].size();
      if (next == run_.slots[at(r)].size()) continue;
      run_.deadlock += fmt::format("{}stage {} waits before {}", run_.deadlock.empty() ? "" : ", ", r,
                                   text(run_.slots[at(r)][next], {.chunks = true}));
    }
  }

  const ScheduleRow& row_;
  PassTimes times_;
  int model_stages_;
  SlotRun run_;
  Outputs forwards_, backwards_;  // by pass(); backwards: of the input gradient
};

std::string joined(const SlotRun& run, int stage, const Notation& notation, bool with_starts) {
  const std::vector<Slot>& slots = run.slots[at(stage)];
  std::string all;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (i > 0) all += slots[i - 1].paired ? "+" : " ";
    all += text(slots[i], notation);
    if (with_starts && !slots[i].paired) all += fmt::format("@{}", run.starts[at(stage)].at(i));
  }
  return all;
}

}  // namespace

double SlotRun::makespan() const {
  double end = 0.0;
  for (int r = 0; r < shape.stages; ++r) end = std::max(end, last_end(r));
  return end;
}

double SlotRun::first_start(int stage) const { return starts[at(stage)].front(); }
double SlotRun::last_end(int stage) const { return ends[at(stage)].back(); }

double SlotRun::idle(int stage) const {
  double idle = 0.0;
  for (std::size_t i = 1; i < starts[at(stage)].size(); ++i)
    idle += std::max(0.0, starts[at(stage)][i] - ends[at(stage)][i - 1]);
  return idle;
}

double SlotRun::in_flight(int stage, double until_weight) const {
  double held = 0.0, peak = 0.0;
  for (const Slot& slot : slots[at(stage)]) {
    if (slot.kind == SlotKind::forward) held += 1.0;
    if (slot.kind == SlotKind::backward) held -= 1.0;
    if (slot.kind == SlotKind::backward_input) held -= 1.0 - until_weight;
    if (slot.kind == SlotKind::backward_weight) held -= until_weight;
    peak = std::max(peak, held);
  }
  return peak / virtual_stages;
}

SlotRun run_slots(const ScheduleRow& row, const PipelineShape& shape, const PassTimes& times) {
  return SlotSimulator(row, shape, times).run();
}

SlotRun run_slots(std::string_view schedule, const PipelineShape& shape, const PassTimes& times) {
  const ScheduleRow* row = find_schedule(schedule);
  INFO("schedule " << schedule);
  REQUIRE(row != nullptr);
  REQUIRE(row->problem(shape) == "");
  SlotRun run = run_slots(*row, shape, times);
  REQUIRE(run.deadlock == "");
  return run;
}

std::string order(const SlotRun& run, int stage, const Notation& notation) {
  return joined(run, stage, notation, false);
}

std::string start_times(const SlotRun& run, int stage, const Notation& notation) {
  return joined(run, stage, notation, true);
}

}  // namespace trainyard::testing
