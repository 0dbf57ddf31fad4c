#include "analysis/memory_ledger.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace trainyard {
namespace {

using Owners = std::array<Bytes, memory_owners>;

Bytes total(const Owners& owners) {
  Bytes sum{};
  for (Bytes b : owners) sum += b;
  return sum;
}

std::string moment(const Instruction& i) {
  switch (i.phase) {
    case Phase::forward: return fmt::format("forward of micro-batch {}, chunk {}", i.micro_batch, i.chunk);
    case Phase::backward: return fmt::format("backward of micro-batch {}, chunk {}", i.micro_batch, i.chunk);
    case Phase::weight: return fmt::format("weight gradients of micro-batch {}, chunk {}", i.micro_batch, i.chunk);
    case Phase::gradient_sync: return "gradient synchronisation";
    case Phase::optimizer: return "optimizer step";
    case Phase::parameter_gather: return "parameter gather";
    case Phase::host: return "host work";
  }
  return "?";
}

StageMemory fold(const StepProgram& program, const RankKind& kind, Bytes workspace) {
  StageMemory stage;
  Owners now = kind.resident;
  now[static_cast<std::size_t>(MemoryOwner::temporary)] += workspace;
  stage.at_peak = now;
  stage.allocated = total(now);
  stage.peak_at = "weights and optimizer states alone";
  const Instruction* peak = nullptr;
  for (const Instruction& i : kind.instructions) {
    if (i.memory < 0) continue;
    const auto& changes = program.memory_changes[static_cast<std::size_t>(i.memory)];
    for (const MemoryChange& c : changes) now[static_cast<std::size_t>(c.owner)] += c.at_start;
    if (const Bytes sum = total(now); sum > stage.allocated) {
      stage.allocated = sum;
      stage.at_peak = now;
      peak = &i;
    }
    for (const MemoryChange& c : changes) now[static_cast<std::size_t>(c.owner)] += c.at_end;
  }
  if (peak != nullptr) stage.peak_at = moment(*peak);
  return stage;
}

}  // namespace

MemoryLedger memory_ledger(const StepProgram& program, const Profile& profile, const StepInputs& inputs, Bytes capacity) {
  MemoryLedger ledger;
  const StackProfile& stack = profile.stack;
  const Bytes outside = profile.device.context + stack.framework_reserve;
  ledger.limit = std::max(Bytes(0), capacity - outside);
  ledger.fits = true;
  for (const RankKind& kind : program.kinds) {
    StageMemory stage = fold(program, kind, profile.device.blas_workspace);
    stage.stage = kind.stage.value;
    stage.reserved = stack.fragmentation * stage.allocated;
    stage.device_used = stage.reserved + outside;
    stage.parameters = static_cast<std::int64_t>(stage_parameters(inputs, kind.stage.value).total);
    for (int c = 0; c < inputs.plan->virtual_stages; ++c)
      stage.layers += inputs.plan->layers_per_chunk[static_cast<std::size_t>(c * inputs.plan->pipeline_parallel + kind.stage.value)];
    ledger.fits = ledger.fits && stage.reserved <= ledger.limit;
    ledger.pressure = ledger.pressure || stage.device_used > pressure_fill * capacity;
    ledger.stages.push_back(std::move(stage));
  }
  ledger.pressure = ledger.pressure && ledger.fits;
  return ledger;
}

}  // namespace trainyard
