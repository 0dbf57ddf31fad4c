// What a step is built from, and the quantities that follow from it directly.
#pragma once

#include "models/model_shape.hpp"
#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/plan/communication_paths.hpp"
#include "sim/plan/plan.hpp"
#include "sim/plan/rank_layout.hpp"

namespace trainyard {

// What the software stack decides where the plan is silent.
struct Overlaps {
  bool grad_reduce = false;
  bool param_gather = false;
  bool blocking_p2p = true;
  DataType gradient_type = DataType::fp32;
};
Overlaps overlaps_of(const Plan& plan, const StackProfile& stack);

// The stack as this plan uses it: userbuffers on or off.
StackProfile effective_stack(const Plan& plan, const StackProfile& stack);

struct StepInputs {
  const Plan* plan = nullptr;  // resolved
  const ModelShape* model = nullptr;
  const Workload* workload = nullptr;
  const StackProfile* stack = nullptr;  // effective
  const RankLayout* layout = nullptr;
  const CommunicationPaths* paths = nullptr;
};

// Parameters of one rank of a stage, and how many of them it owns the optimizer states of.
struct StageParameters {
  double total = 0;
  double owned = 0;
};
StageParameters stage_parameters(const StepInputs& inputs, int stage);

// Megatron's gradient bucket: max(40e6, 1e6 * data-parallel size) parameters.
double bucket_parameters(int data_parallel);

// One rank's share of a micro-batch.
RankSlice rank_slice(const StepInputs& inputs);
RecomputeKind recompute_kind(Recompute recompute);

}  // namespace trainyard
