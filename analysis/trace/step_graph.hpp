// Why an instruction did not start earlier, and the chain of such reasons that makes the step as long as it is.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "analysis/simulate.hpp"

namespace trainyard {

struct InstructionAt {
  std::int32_t list = 0;         // of Timeline::spans
  std::int32_t instruction = 0;  // of its kind
  friend auto operator<=>(const InstructionAt&, const InstructionAt&) = default;
};

class StepGraph {
 public:
  // Keeps a reference. O(instructions).
  explicit StepGraph(const SimulatedStep& step);

  // What had to end before this could start, the last to end of: its predecessor on the stream, its `after`, those of
  // the other end of a message, of the other stages in a collective, or, where those leave a gap, of the same
  // instruction on other ranks of its stage (which it meets in a collective). Nothing for what starts the step.
  std::optional<InstructionAt> waited_for(InstructionAt at) const;

  // The other end of a send or receive, on the rank with the same coordinates in the other stage; nothing for the rest.
  std::optional<InstructionAt> other_end(InstructionAt at) const;

  // From the start of the step to its end, ascending in time; each waited for the one before it.
  std::vector<InstructionAt> critical_path() const;

 private:
  struct Kind {
    std::vector<std::int32_t> previous;  // [instruction] on its stream, -1 = none
    std::vector<std::int32_t> call;      // [instruction] of a channel or rendezvous: the how-many-th; else -1
  };
  struct Calls {
    std::size_t kind = 0;
    std::vector<std::int32_t> instructions;
  };
  const Span& span(InstructionAt at) const;
  const Instruction& instruction(InstructionAt at) const;
  void consider(InstructionAt at, std::optional<InstructionAt>& latest) const;
  void consider_predecessors(InstructionAt at, std::optional<InstructionAt>& latest) const;
  void consider_other_stages(InstructionAt at, std::optional<InstructionAt>& latest) const;
  void consider_other_ranks(InstructionAt at, std::optional<InstructionAt>& latest) const;
  std::size_t list_in(std::size_t kind, std::size_t list) const;

  const SimulatedStep* step_;
  std::vector<Kind> kinds_;
  std::map<int, Calls> sends_, receives_;          // by channel
  std::map<int, std::vector<Calls>> rendezvous_;   // of several kinds
  std::vector<std::vector<std::size_t>> of_kind_;  // [kind] its lists
};

}  // namespace trainyard
