#include "analysis/step_result.hpp"

#include <algorithm>

namespace trainyard {

Bytes MemoryLedger::peak() const {
  Bytes largest{};
  for (const StageMemory& stage : stages) largest = std::max(largest, stage.allocated);
  return largest;
}

std::string_view name(Bound bound) {
  switch (bound) {
    case Bound::compute:
      return "compute";
    case Bound::memory:
      return "memory";
    case Bound::communication:
      return "communication";
    case Bound::pipeline:
      return "pipeline";
    case Bound::orchestration:
      return "orchestration";
  }
  return "?";
}

}  // namespace trainyard
