// The sentence of the program: Job -> RankLayout -> StepProgram -> Timeline -> StepResult.
#pragma once

#include "analysis/step_result.hpp"
#include "sim/engine/pricing.hpp"
#include "sim/engine/timeline.hpp"
#include "sim/plan/job.hpp"
#include "sim/plan/rank_layout.hpp"
#include "sim/program/build_step.hpp"
#include "sim/program/step_program.hpp"
#include "topology/routes.hpp"

namespace trainyard {

enum class EngineKind { analytic, fluid };
struct EngineChoice {
  EngineKind kind = EngineKind::analytic;
  // Simulate ranks instead of one per stage, and list them all. The fluid engine simulates ranks anyway, as does the
  // analytic one if the cluster has stragglers. `fold`: ranks that cannot be told apart are simulated once.
  bool every_rank = false;
  bool fold = true;
};

// Everything a writer may need, of one simulated step.
struct SimulatedStep {
  Plan plan;  // resolved
  RankLayout layout;
  StepProgram program;
  PricedProgram prices;
  Timeline timeline;
  StepResult result;  // without diagnosis.experiments until diagnose() ran them
};

// The plan must have passed check_plan. Routes are of job.cluster; build them once for many plans.
// Throws NetworkError if the fluid engine cannot be had.
SimulatedStep simulate_step(const Job& job, const Routes& routes, Granularity granularity = Granularity::block,
                            const EngineChoice& engine = {});

// The dense peak of a precision, that of 16 bits where the device has none.
FlopsPerSecond dense_peak(DataType precision, const DeviceProfile& device);

// The memory ledger alone, as `trainyard memory` prints it: no engine run.
MemoryLedger memory_of(const Job& job, const Routes& routes);

// Runs the candidate experiments of the diagnosis and returns the result with them, best first.
StepResult diagnosed(const Job& job, const Routes& routes, StepResult result);

}  // namespace trainyard
