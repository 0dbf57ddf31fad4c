// Seconds for every work of a program, alone on its resources. A segment's time is the makespan of its steps on a
// compute and a TP stream, so that a block, its layers and its operators add up to the same.
#pragma once

#include <vector>

#include "models/profile.hpp"
#include "sim/base/units.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

// duration = compute + exposed_tp + host. tp_busy includes what is hidden.
struct WorkPrice {
  Seconds duration{};
  Seconds compute{};     // kernels on the compute stream
  Seconds exposed_tp{};  // compute stream waits for a TP collective
  Seconds host{};        // the host's issue rate is the limit
  Seconds tp_busy{};     // TP collectives' own time
  Seconds gemm{};        // parts of compute
  Seconds attention{};
  Seconds memory_bound{};
  Bytes tp_bytes{};  // NCCL message bytes of its TP collectives
  int tp_collectives = 0;
  friend bool operator==(const WorkPrice&, const WorkPrice&) = default;
};

struct PricedProgram {
  std::vector<WorkPrice> works;     // [work]
  std::vector<WorkPrice> segments;  // [segment]
};

struct PricingContext {
  const Profile* profile = nullptr;
  int world_size = 1;
  int tp = 1;
};

PricedProgram price(const StepProgram& program, const PricingContext& context);

}  // namespace trainyard
