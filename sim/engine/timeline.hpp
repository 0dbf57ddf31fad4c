// When every instruction of a step ran.
#pragma once

#include <vector>

#include "sim/base/units.hpp"

namespace trainyard {

struct Span {
  Seconds start{};
  Seconds end{};
  friend bool operator==(const Span&, const Span&) = default;
};

struct Timeline {
  std::vector<std::vector<Span>> spans;  // [kind][instruction], as StepProgram orders them
  Seconds makespan{};
  friend bool operator==(const Timeline&, const Timeline&) = default;
};

}  // namespace trainyard
