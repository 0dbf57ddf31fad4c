#include "analysis/memory_ledger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

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
    case Phase::forward:
      return fmt::format("forward of micro-batch {}, chunk {}", i.micro_batch, i.chunk);
    case Phase::backward:
      return fmt::format("backward of micro-batch {}, chunk {}", i.micro_batch, i.chunk);
    case Phase::weight:
      return fmt::format("weight gradients of micro-batch {}, chunk {}", i.micro_batch, i.chunk);
    case Phase::gradient_sync:
      return "gradient synchronisation";
    case Phase::optimizer:
      return "optimizer step";
    case Phase::parameter_gather:
      return "parameter gather";
    case Phase::host:
      return "host work";
    case Phase::offload:
      return "copies from and to the host";
  }
  return "?";
}

// What a change adds when its instruction starts and ends.
struct Delta {
  Owners at_start{};
  Owners at_end{};
  Bytes start_sum{};
  Bytes end_sum{};
};
std::vector<Delta> deltas_of(const StepProgram& program) {
  std::vector<Delta> deltas(program.memory_changes.size());
  for (std::size_t m = 0; m < deltas.size(); ++m) {
    for (const MemoryChange& c : program.memory_changes[m]) {
      deltas[m].at_start[static_cast<std::size_t>(c.owner)] += c.at_start;
      deltas[m].at_end[static_cast<std::size_t>(c.owner)] += c.at_end;
    }
    deltas[m].start_sum = total(deltas[m].at_start);
    deltas[m].end_sum = total(deltas[m].at_end);
  }
  return deltas;
}

void add(Owners& owners, const Owners& more) {
  for (std::size_t o = 0; o < owners.size(); ++o) owners[o] += more[o];
}

// Finds the peak on sums alone, then who holds it.
StageMemory fold(const RankKind& kind, const std::vector<Delta>& deltas, Bytes workspace) {
  StageMemory stage;
  stage.at_peak = kind.resident;
  stage.at_peak[static_cast<std::size_t>(MemoryOwner::temporary)] += workspace;
  Bytes now = stage.allocated = total(stage.at_peak);
  stage.peak_at = "weights and optimizer states alone";
  const Instruction* peak = nullptr;
  for (const Instruction& i : kind.instructions) {
    if (i.memory < 0) continue;
    const Delta& d = deltas[static_cast<std::size_t>(i.memory)];
    now += d.start_sum;
    if (now > stage.allocated) {
      stage.allocated = now;
      peak = &i;
    }
    now += d.end_sum;
  }
  if (peak == nullptr) return stage;
  stage.peak_at = moment(*peak);
  for (const Instruction& i : kind.instructions) {
    if (i.memory >= 0) add(stage.at_peak, deltas[static_cast<std::size_t>(i.memory)].at_start);
    if (&i == peak) break;
    if (i.memory >= 0) add(stage.at_peak, deltas[static_cast<std::size_t>(i.memory)].at_end);
  }
  return stage;
}

}  // namespace

Bytes allocatable(const Profile& profile, Bytes capacity) {
  return std::max(Bytes(0), capacity - (profile.device.context + profile.stack.framework_reserve));
}

Bytes reserved_for(Bytes resident, Bytes allocated, const StackProfile& stack) {
  return resident + stack.fragmentation * (allocated - resident);
}

MemoryLedger memory_ledger(const StepProgram& program, const Profile& profile, Bytes capacity) {
  MemoryLedger ledger;
  const StackProfile& stack = profile.stack;
  const Bytes outside = profile.device.context + stack.framework_reserve;
  ledger.limit = allocatable(profile, capacity);
  ledger.fits = true;
  const std::vector<Delta> deltas = deltas_of(program);
  for (const RankKind& kind : program.kinds) {
    StageMemory stage = fold(kind, deltas, profile.device.blas_workspace);
    stage.stage = kind.stage.value;
    stage.reserved = reserved_for(total(kind.resident), stage.allocated, stack);
    stage.device_used = stage.reserved + outside;
    stage.parameters = static_cast<std::int64_t>(kind.parameters);
    stage.layers = kind.layers;
    ledger.fits = ledger.fits && stage.reserved <= ledger.limit;
    ledger.pressure = ledger.pressure || stage.device_used > pressure_fill * capacity;
    ledger.stages.push_back(std::move(stage));
  }
  ledger.pressure = ledger.pressure && ledger.fits;
  return ledger;
}

}  // namespace trainyard
