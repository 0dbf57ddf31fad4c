// Who holds how much memory, when: a fold over the program.
#pragma once

#include <vector>

#include "analysis/step_result.hpp"
#include "models/profile.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

// `capacity` of one GPU. A stage fits if what the allocator reserves leaves room for the CUDA context and the
// communication library.
MemoryLedger memory_ledger(const StepProgram& program, const Profile& profile, Bytes capacity);

// What a framework can allocate of a GPU: its capacity less the CUDA context and the communication library.
Bytes allocatable(const Profile& profile, Bytes capacity);

// What the allocator reserves: what is allocated once, before the first step, does not fragment; what comes and goes
// does.
Bytes reserved_for(Bytes resident, Bytes allocated, const StackProfile& stack);

// Fill of the device above which an allocator starts to free and retry (measured on FSDP runs: 10 to 35 % slower).
inline constexpr double pressure_fill = 0.93;

}  // namespace trainyard
