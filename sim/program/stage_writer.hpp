// Writes the instruction list of one stage after the other, at the granularity asked for: a run of segments becomes one
// block, its segments, or their operators with the same work and the same dependencies.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "sim/program/build_step.hpp"
#include "sim/program/model_parts.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

// Whose pass an instruction belongs to.
struct PassOf {
  std::int32_t micro_batch = -1;
  std::int16_t chunk = 0;
};

// Compute of a run of segments.
struct ComputeRun {
  std::span<const SegmentUse> uses;
  // Of the whole run at block granularity, and where it is a single segment; several segments carry their own.
  int memory = -1;
  int cached_work = -1;  // block granularity
  bool contended = false;
  std::vector<int> beside;  // see Block
};

// Instructions of a pass as they were written once, to be written again for other micro-batches.
struct Passage {
  std::vector<Instruction> instructions;        // after_begin counts from the first entry of `after`
  std::vector<std::int32_t> after;              // index in the passage; `start` and `received` are below 0
  static constexpr std::int32_t start = -1;     // the latest compute before the passage
  static constexpr std::int32_t received = -2;  // the message that it waits for
};

class StageWriter {
 public:
  // Keeps references to all three.
  StageWriter(StepProgram& program, const StepModel& model, const CommunicationPaths& paths, Granularity granularity);

  // Starts the list of a stage; everything below concerns the latest.
  RankKind& begin_stage(StageId stage);

  // Table entries; memory() is -1 for no change. The PathKind is that of the stage being written.
  int path(PathKind kind) { return path(PathKey{kind, kind_->stage.value, false}); }
  int path(PathKey key);
  int work(Work work);
  int memory(const MemoryEffect& effect);
  int memory(std::vector<MemoryChange> changes);

  // The next instruction waits for this one; -1 is nothing.
  void wait(int id);
  // … for all compute written so far, with the collectives and host floors that belong to it.
  void wait_for_compute();
  int last_compute() const { return last_of_[static_cast<std::size_t>(Stream::compute)]; }

  // Where the stage is: what a passage that begins now needs to know. `received`: the message it waits for, or -1.
  struct Mark {
    int first = 0;   // instruction
    int queued = 0;  // waits of the next instruction that do not belong to the passage
    int start = -1, received = -1;
  };
  Mark mark(int received) const;
  // What was written since; nothing if it waits for what is neither in it nor known by the mark.
  std::optional<Passage> passage_since(const Mark& mark) const;
  void repeat(const Passage& passage, const Mark& mark, PassOf pass);

  int emit(int work, Stream stream, Phase phase, PassOf pass, int memory = -1);
  // The first instruction waits for what was asked.
  void emit_compute(const ComputeRun& run, Phase phase, PassOf pass);
  // A forward and a backward as one, whose communication hide each other; one block at every granularity.
  void emit_pair(int work, PassOf forward, PassOf backward, int memory);

 private:
  int segment_work(int segment, bool contended);
  int segment_memory(int segment);
  std::pair<int, int> split_memory(int memory);
  const std::vector<int>& operator_works(int segment, bool contended);
  void emit_operators(int segment, Phase phase, PassOf pass, bool contended, int memory);
  int emit_host(int segment, Phase phase, PassOf pass);
  void wait_for_layer_collectives(Stream except);

  StepProgram& program_;
  const StepModel& model_;
  const CommunicationPaths& paths_;
  Granularity granularity_;
  std::vector<int> path_index_;  // by kind, stage and rail: -1 = none yet

  // Entries made so far, by segment: -1 = none yet.
  struct Made {
    std::array<int, 2> work{-1, -1};            // [contended]
    std::array<std::vector<int>, 2> operators;  // [contended]
    int host = -1;
    int memory = -1;
    bool memory_known = false;
  };
  std::vector<Made> made_;
  std::map<int, std::pair<int, int>> split_;  // of memory changes: at the first and at the last operator

  RankKind* kind_ = nullptr;
  std::int32_t waits_begin_ = 0;        // of the next instruction's entries in RankKind::after
  std::array<int, streams> last_of_{};  // latest instruction of each stream
  int pending_host_ = -1;               // host floor of the segment written last
};

}  // namespace trainyard
