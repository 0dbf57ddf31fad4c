// One training step of a whole job. Ranks that do the same share one list (a rank kind): here, the ranks of a pipeline
// stage.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "sim/base/hardware.hpp"
#include "sim/program/instruction.hpp"

namespace trainyard {

struct RankKind {
  StageId stage;
  int ranks = 1;                          // how many ranks run this list
  RankId representative;                  // the first of them
  std::vector<Instruction> instructions;  // InstructionId indexes this
  std::vector<InstructionId> after;       // pool of cross-stream dependencies, see Instruction::after_begin
  // Memory held from the first to the last instruction, by owner.
  std::array<Bytes, memory_owners> resident{};
};

struct StepProgram {
  std::vector<RankKind> kinds;  // by stage
  std::vector<Segment> segments;
  std::vector<Work> works;  // deduplicated: instructions of equal work share an entry
  std::vector<std::vector<MemoryChange>> memory_changes;
  std::vector<std::vector<Tier>> paths;  // what a collective or a send crosses
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
