// A small simulated step written by hand, so that writers can be tested without a simulator: two pipeline stages, two
// micro-batches, GPipe order, one gradient all-reduce per stage.
#pragma once

#include "analysis/simulate.hpp"

namespace trainyard::testing {

Job hand_built_job();

// Stage 0 computes F0 F1 in [0, 2] ms and B0 B1 in [6, 9] ms, stage 1 F0 F1 B0 B1 in [1.5, 7] ms; sends take 0.5 ms and
// the gradients' all-reduce [9, 10] ms. Step time 10 ms.
SimulatedStep hand_built_step();

// The same, with what instructions wait for: a send for its pass, a pass for its receive, the all-reduce for the last
// backward.
SimulatedStep connected_step();

}  // namespace trainyard::testing
