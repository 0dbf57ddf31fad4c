// In which order a pipeline stage runs its forwards and backwards. A schedule is one row {name, …, builder} of
// schedule.cpp, its builder a file of schedules/.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trainyard {

enum class SlotKind : std::uint8_t {
  forward,
  backward,  // input and weight gradients
  backward_input,
  backward_weight
};
struct Slot {
  SlotKind kind = SlotKind::forward;
  bool paired = false;  // runs as one with the next slot: a forward and a backward whose communication hide each other
  std::int16_t chunk = 0;
  std::int32_t micro_batch = 0;
  friend bool operator==(const Slot&, const Slot&) = default;
};

// Relative times of the passes of one chunk, in any unit: schedules that plan ahead order their passes by them.
struct PassCosts {
  int forward = 1;
  int backward_input = 1;
  int backward_weight = 1;
  friend bool operator==(const PassCosts&, const PassCosts&) = default;
};

struct PipelineShape {
  int stages = 1;
  int chunks = 1;  // model chunks that a stage holds: virtual stages x copies
  int micro_batches = 1;
  int group = 0;  // micro-batches per group of an interleaved schedule; 0 = stages
  // Steady-state forwards and backwards run paired, after one more warm-up forward (expert-parallel overlap).
  bool pairs = false;
  PassCosts costs = {};
};

// Where a chunk of a stage sits in the model: model stages 0 (embedding) … last (head). `copy`: bidirectional pipelines
// hold the model twice; copy 1 runs from the last stage to the first.
struct ChunkPlace {
  int model_stage = 0;
  int copy = 0;
  friend bool operator==(const ChunkPlace&, const ChunkPlace&) = default;
};

struct ScheduleRow {
  std::string_view name;  // as users write it
  std::string_view summary;
  int virtual_stages = 1;  // that it needs; 0 = any number above 1
  int copies = 1;          // of the model over the pipeline (2: bidirectional)
  bool splits_backward = false;
  // By default no stage waits for the others before it updates: the gradient norm is checked afterwards.
  bool post_validated = false;
  bool plans_ahead = false;  // its order depends on PipelineShape::costs
  // Another group of micro-batches (PipelineShape::group of interleaved schedules, else one) puts one more cycle into
  // the steady state of every stage and changes nothing else, once there are enough of them for a steady state.
  bool periodic = false;
  ChunkPlace (*place)(const PipelineShape& shape, int stage, int chunk) = nullptr;
  // Why this shape cannot run ("micro-batches …"), empty if it can.
  std::string (*problem)(const PipelineShape& shape) = nullptr;
  std::vector<Slot> (*slots)(const PipelineShape& shape, int stage) = nullptr;

  int chunks(int plan_virtual_stages) const { return plan_virtual_stages * copies; }
  // Do forwards flow both ways between neighbours? Sends that block would stop such stages for ever.
  bool sends_both_ways() const;
};

std::span<const ScheduleRow> schedules();
// nullptr if there is no schedule of that name.
const ScheduleRow* find_schedule(std::string_view name);
std::vector<std::string> schedule_names();

}  // namespace trainyard
