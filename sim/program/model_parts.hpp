// The model cut into parts (embedding, layers of each kind, head …), chunks and gradient buckets: what every
// instruction of a step is made of.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "sim/plan/schedule.hpp"
#include "sim/program/instruction.hpp"
#include "sim/program/step_inputs.hpp"

namespace trainyard {

// Which segment of a part runs. backward is both gradients; the other two are its halves.
enum class Pass : std::uint8_t { forward, backward, backward_input, backward_weight };
inline constexpr int passes = 4;
constexpr Pass pass_of(SlotKind kind) {
  switch (kind) {
    case SlotKind::forward:
      return Pass::forward;
    case SlotKind::backward:
      return Pass::backward;
    case SlotKind::backward_input:
      return Pass::backward_input;
    case SlotKind::backward_weight:
      return Pass::backward_weight;
  }
  return Pass::forward;
}
constexpr Phase phase_of(Pass pass) {
  if (pass == Pass::forward) return Phase::forward;
  return pass == Pass::backward_weight ? Phase::weight : Phase::backward;
}

// Changes of a rank's activation memory when a segment runs, whole bytes so that sums are exact.
struct MemoryEffect {
  Bytes at_start{};   // activations saved
  Bytes temporary{};  // alive while it runs
  Bytes at_end{};     // activations freed (negative)
  friend bool operator==(const MemoryEffect&, const MemoryEffect&) = default;
};

// One kind of part of the model, on one rank.
struct ModelPart {
  std::string name;                   // "layer", "MoE layer", "embedding", "head" …
  std::array<int, passes> segment{};  // by Pass, index into StepModel::segments
  std::array<MemoryEffect, passes> memory{};
  bool layer = false;                // counts as a transformer layer
  double dense_parameters = 0;       // reduced over data x context parallel ranks
  double expert_parameters = 0;      // reduced over the replicas of an expert shard
  double replicated_parameters = 0;  // of the dense ones: those every TP rank holds
  Bytes saved{};                     // by its forward until its backward
};
struct PartUse {
  int part = 0;  // index into StepModel::parts
  int count = 1;
};

struct GradientBucket {
  std::vector<PartUse> parts;  // in backward order
  double dense_parameters = 0;
  double expert_parameters = 0;
};

// One model chunk of one stage.
struct ModelChunk {
  ChunkPlace place;
  std::vector<PartUse> parts;  // in model order
  int layers = 0;
  bool first = false;  // of the model: no activations to receive
  bool last = false;
  double dense_parameters = 0;
  double expert_parameters = 0;
  std::vector<GradientBucket> buckets;  // in backward order
};

struct StepModel {
  std::vector<Segment> segments;             // the program takes them
  std::vector<bool> empty;                   // [segment] has no steps
  std::vector<MemoryEffect> segment_memory;  // [segment]
  std::vector<ModelPart> parts;
  int chunks_per_stage = 1;
  std::vector<ModelChunk> chunks;  // [stage * chunks_per_stage + chunk]
  int gather_input = -1;           // segment that gathers a scattered pipeline message; -1 = none

  const ModelChunk& chunk(int stage, int index) const {
    return chunks[static_cast<std::size_t>(stage * chunks_per_stage + index)];
  }
  // Segments of a run of parts, given in the order they run.
  std::vector<SegmentUse> uses(const std::vector<PartUse>& run, Pass pass) const;
  MemoryEffect memory(const std::vector<PartUse>& run, Pass pass) const;
};

StepModel step_model(const StepInputs& inputs, const ScheduleRow& schedule);

std::vector<PartUse> reversed(std::vector<PartUse> run);

// Does a stage receive 1/tp of its input per rank and gather it over NVLink (Narayanan et al. 2021, scatter/gather)?
bool gathers_pipeline_input(const StepInputs& inputs);

// Parameters of one rank of a stage and the bytes of their states.
struct StageParameters {
  double dense = 0;
  double experts = 0;
  double total() const { return dense + experts; }
};
StageParameters stage_parameters(const StepModel& model, int stage);

struct StageStates {
  ModelStates bytes;
  double processed = 0;  // parameters whose gradients this rank handles in full at the end of a step
  double owned = 0;      // parameters it updates
};
StageStates stage_states(const StepInputs& inputs, const StageParameters& parameters);

}  // namespace trainyard
