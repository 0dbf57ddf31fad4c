// The periodic part of a schedule, found in a program.
#pragma once

#include <cstddef>
#include <vector>

#include "sim/program/step_program.hpp"

namespace trainyard {

// An instruction of a kind and the one that does the same a cycle later.
struct SteadyPair {
  std::size_t kind;
  std::size_t earlier, later;
};

// Consecutive cycles that must follow each other at one distance before the next are known: dependencies between stages
// and streams reach back at most two cycles.
inline constexpr int compared_cycles = 3;

// A cycle is `group` micro-batches; on each stage it begins with the first backward of the first of them. The pairs of
// the last `compared_cycles` + 1 cycles that are the same instructions on every stage and hold every pass of every
// chunk for a whole group. Empty where there are none: too few micro-batches, or a schedule without a steady state.
std::vector<SteadyPair> steady_pairs(const StepProgram& program, int group);

}  // namespace trainyard
