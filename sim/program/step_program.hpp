// One training step of a whole job. Ranks that do the same share one list (a rank kind): here, the ranks of a pipeline
// stage.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "sim/base/hardware.hpp"
#include "sim/program/instruction.hpp"

namespace trainyard {

// A backward instruction that runs as one with this forward.
struct PairedForward {
  InstructionId backward;
  std::int32_t micro_batch = 0;
  std::int16_t chunk = 0;
};

struct RankKind {
  StageId stage;
  int ranks = 1;                          // how many ranks run this list
  RankId representative;                  // the first of them
  std::vector<Instruction> instructions;  // InstructionId indexes this
  std::vector<InstructionId> after;       // pool of cross-stream dependencies, see Instruction::after_begin
  std::vector<PairedForward> pairs;       // in order of their instructions
  int layers = 0;
  double parameters = 0;  // of one rank
  // Memory held from the first to the last instruction, by owner.
  std::array<Bytes, memory_owners> resident{};
};

// The forward that an instruction runs as one with, or nullptr.
const PairedForward* paired_forward(const RankKind& kind, InstructionId id);

struct StepProgram {
  std::vector<RankKind> kinds;  // by stage
  std::vector<Segment> segments;
  std::vector<Work> works;  // deduplicated: instructions of equal work share an entry
  std::vector<std::vector<MemoryChange>> memory_changes;
  std::vector<std::vector<Tier>> paths;         // what a collective or a send crosses
  std::vector<PathKey> path_keys;               // [path] its name; empty in programs built by hand
  std::array<int, layer_groups> layer_paths{};  // of the collectives inside segments, by LayerGroup: index into paths
  bool steps_overlap = false;                   // the next step starts on each stage as soon as that stage is done
  int micro_batches = 1;

  std::size_t instruction_count() const;
};

// How often each work occurs, over all kinds.
std::vector<std::int64_t> work_uses(const StepProgram& program);

// Problems of a program as text, empty if it is sound: sends and receives of a channel pair up in order, number and
// bytes; dependencies point to earlier instructions; rendezvous have all their parties; memory returns to its start.
std::vector<std::string> violations(const StepProgram& program);

// One line per instruction, e.g. "F3.1 after 12 compute"; for tests and debugging.
std::string to_text(const StepProgram& program);
// Compute order of one kind as the schedules' tables write it: "F0 F1 B0 …" ("F0.1" = micro-batch 0, chunk 1, with
// vpp).
std::string compute_order(const StepProgram& program, std::size_t kind);

}  // namespace trainyard
