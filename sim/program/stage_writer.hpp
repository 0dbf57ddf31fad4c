// Writes the instruction list of one stage after the other, at the granularity asked for: a run of segments becomes one
// block, its segments, or their operators with the same work and the same dependencies.
#pragma once

#include <array>
#include <utility>
#include <vector>

#include "sim/program/build_step.hpp"
#include "sim/program/model_chunks.hpp"
#include "sim/program/schedule.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

class StageWriter {
 public:
  StageWriter(StepProgram& program, Granularity granularity, const SegmentMemory& memory);

  // Starts the list of a stage; everything below concerns the latest.
  RankKind& begin_stage(StageId stage);

  // Table entries; paths are shared by value.
  int path(const std::vector<Tier>& tiers);
  int work(Work work);
  // Of a run of segments that saves (forward) or frees (backward) this much. A layer's backward finds the head's
  // activations freed already.
  int memory(int layers, bool head, Phase phase);

  // The next instruction waits for this one; -1 is nothing.
  void wait(int id);
  // … for all compute written so far, with the TP collectives and host floors that belong to it.
  void wait_for_compute();

  int emit(int work, Stream stream, Phase phase, int micro_batch, int chunk, int memory = -1);
  // The first instruction waits for what was asked. At block granularity it carries `memory`, and `cached_work` if that
  // is not -1; otherwise the segments carry their own.
  void emit_compute(const std::vector<SegmentUse>& uses, Phase phase, const Slot& slot, bool contended, int memory,
                    int cached_work = -1);

 private:
  int add_memory(std::vector<MemoryChange> changes);
  int segment_work(int segment, bool contended);
  int segment_memory(int segment, Phase phase);
  std::pair<int, int> split_memory(int segment, int memory);
  const std::vector<int>& operator_works(int segment, bool contended);
  void emit_operators(int segment, Phase phase, const Slot& slot, bool contended);
  int emit_host(int segment, Phase phase, const Slot& slot);

  StepProgram& program_;
  Granularity granularity_;
  SegmentMemory memory_;

  // Entries made so far, by segment: -1 = none yet.
  struct Made {
    std::array<int, 2> work{-1, -1};            // [contended]
    std::array<std::vector<int>, 2> operators;  // [contended]
    int host = -1;
    int memory = -1;
    bool memory_known = false;
    std::pair<int, int> split{-1, -1};
    bool split_known = false;
  };
  std::array<Made, segment_count> made_;

  RankKind* kind_ = nullptr;
  std::int32_t waits_begin_ = 0;  // of the next instruction's entries in RankKind::after
  int last_compute_ = -1;
  int last_tp_ = -1;
  int pending_host_ = -1;  // host floor of the segment written last
};

}  // namespace trainyard
