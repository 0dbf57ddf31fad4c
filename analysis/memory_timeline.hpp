// Memory over the time of one step: the same changes as the ledger's fold, in the order in which they happen.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "analysis/text_layout.hpp"
#include "models/profile.hpp"
#include "sim/engine/timeline.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

struct MemoryPoint {
  Seconds time{};                           // from here to the next point …
  std::array<Bytes, memory_owners> held{};  // … this is held, by MemoryOwner
  Bytes total() const;
  friend bool operator==(const MemoryPoint&, const MemoryPoint&) = default;
};

struct StageMemoryCurve {
  int stage = 0;
  std::vector<MemoryPoint> points;  // ascending in time, changes of one moment merged but for a peak between them
  std::size_t peak = 0;             // the first of the points that hold the most
  const MemoryPoint& at_peak() const { return points[peak]; }
};

// Of one list of the timeline.
StageMemoryCurve memory_curve(const StepProgram& program, const Timeline& timeline, std::size_t list,
                              const Profile& profile);
// One curve per rank kind.
std::vector<StageMemoryCurve> memory_curves(const StepProgram& program, const Timeline& timeline,
                                            const Profile& profile);

// Each stage's curve as a line of blocks, `limit` being full height, with its peak, when, and who holds it.
std::string memory_curves_text(const std::vector<StageMemoryCurve>& curves, Seconds end, Bytes limit,
                               const TextStyle& style);

}  // namespace trainyard
