// Why an instruction did not start earlier, and the chain of such reasons that makes the step as long as it is.
#pragma once

#include <compare>
#include <cstdint>
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
  explicit StepGraph(const SimulatedStep& step);

  // What had to end before this could start, the last to end of: its predecessor on the stream, its `after`, those of the
  // other end of a message or of the other members of a collective. Nothing for what starts the step.
  std::optional<InstructionAt> waited_for(InstructionAt at) const;

  // The other end of a send or receive: of this list's first peer.
  std::optional<InstructionAt> other_end(InstructionAt at) const;

  // From the start of the step to its end, ascending in time; each waited for the one before it.
  std::vector<InstructionAt> critical_path() const;

 private:
  const SimulatedStep* step_;
};

}  // namespace trainyard
