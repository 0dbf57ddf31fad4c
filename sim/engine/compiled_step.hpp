// A step whose order of execution is worked out once, to be run with the prices of many plans: those that share its
// instructions and differ in what their works take.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/engine/pricing.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

// The times of an analytic run, without its spans: run() gives what run_analytic and step_time give, to the last bit.
class CompiledStep {
 public:
  // `group`: micro-batches of one cycle of the schedule's steady state (PipelineShape::group of interleaved schedules,
  // else 1). Nothing where the stages cannot be read in list order, as by the analytic engine's fast pass.
  static std::optional<CompiledStep> compile(const StepProgram& program, int group);

  struct Times {
    Seconds step{};
    // What each further group of micro-batches would add to the step. Known only if the last cycles of the steady state
    // are the same instructions on every stage, hold all work of a group, and follow each other at one distance: the
    // recurrence of start times is linear in max-plus algebra, so all further cycles would, too.
    std::optional<Seconds> per_group;
  };
  // Keeps scratch space in `ends`, which callers reuse.
  Times run(const std::vector<WorkPrice>& works, std::vector<double>& ends) const;

  // Could per_group be known at all, whatever the prices?
  bool has_steady_state() const { return !steady_.empty(); }

 private:
  class Builder;
  CompiledStep() = default;
  struct Node {
    std::int32_t work;  // -1: takes no time
    std::int32_t after[3];
  };
  // The same instruction in two consecutive cycles.
  struct CyclePair {
    std::int32_t earlier, later;
  };
  struct Window {  // of a stage, where steps overlap: from the start of its first compute to its last end
    std::int32_t first = 0;
    std::vector<std::int32_t> last;  // the latest instruction of each stream
  };

  std::vector<Node> nodes_;  // [node - 1]; node 0 is the beginning of the step
  std::vector<CyclePair> steady_;
  std::vector<Window> windows_;
  bool steps_overlap_ = false;
};

}  // namespace trainyard
