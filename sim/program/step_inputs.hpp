// What a step is built from, and the quantities that follow from it directly.
#pragma once

#include "models/memory_cost.hpp"
#include "models/model_shape.hpp"
#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/plan/communication_paths.hpp"
#include "sim/plan/plan.hpp"
#include "sim/plan/rank_layout.hpp"
#include "sim/plan/schedule.hpp"

namespace trainyard {

// What the software stack decides where the plan is silent.
struct Overlaps {
  bool grad_reduce = false;
  bool param_gather = false;
  bool blocking_p2p = true;
  DataType gradient_type = DataType::fp32;
};
Overlaps overlaps_of(const Plan& plan, const StackProfile& stack);

// The stack as this plan uses it: userbuffers, CUDA graphs on or off.
StackProfile effective_stack(const Plan& plan, const StackProfile& stack);
bool changes_stack(const Plan& plan);

// Parameters, gradients and states live in shards; units (layers) are gathered when they are needed.
bool gathers_units(const Plan& plan);

// The type in which sharded units reduce their gradients.
DataType unit_reduce_type(const Plan& plan, const StackProfile& stack);

// Do consecutive steps run into each other: no stage waits for the others between its last backward and its next
// forward (zero-bubble schedules with post-validated optimizer)?
bool steps_overlap(const Plan& plan);

struct StepInputs {
  const Plan* plan = nullptr;  // resolved
  const ModelShape* model = nullptr;
  const Workload* workload = nullptr;
  const StackProfile* stack = nullptr;  // effective
  const RankLayout* layout = nullptr;
  const CommunicationPaths* paths = nullptr;
  PassCosts pass_costs = {};  // of a layer, for schedules that plan ahead

  int gradient_ranks() const { return plan->data_parallel * plan->context_parallel; }
  int expert_replicas() const {
    return layout->world_size() / (plan->expert_parallel * expert_tensor_parallel() * plan->pipeline_parallel);
  }
  int expert_tensor_parallel() const {
    return plan->expert_tensor_parallel > 0 ? plan->expert_tensor_parallel : plan->tensor_parallel;
  }
};

// Megatron's gradient bucket: max(40e6, 1e6 * data-parallel size) parameters.
double bucket_parameters(int data_parallel);

// One rank's share of a micro-batch.
RankSlice rank_slice(const StepInputs& inputs);
LayerRecompute layer_recompute(const Plan& plan);

// Tokens of the fullest expert-parallel rank over the mean: as given, from measured or drawn loads of the experts, and
// at least the spread of uniform routing over `tokens` (the expected maximum of ep multinomial counts).
double expert_imbalance(const Plan& plan, const ModelShape& model, double tokens);

}  // namespace trainyard
