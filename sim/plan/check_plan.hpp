// Is a plan legal for this model, cluster and batch? Every problem at once, as values: an infeasible plan is an answer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/model_shape.hpp"
#include "sim/plan/plan.hpp"
#include "topology/cluster.hpp"

namespace trainyard {

struct PlanProblem {
  std::string axis;          // "tp", "pp", "dp", "batch", "schedule", "placement" …
  std::string reason;        // "64 heads are not divisible by tensor_model_parallel_size 7"
  bool unsupported = false;  // legal in the field, but not expressible here (yet)
  friend bool operator==(const PlanProblem&, const PlanProblem&) = default;
};

// Every micro-batch is simulated through every model chunk; beyond this many the program would not fit in memory
// (about 200 bytes a pass). A gradient accumulation of 32 768 over 32 chunks is half of it.
inline constexpr std::int64_t most_pipeline_passes = 2'000'000;

std::vector<PlanProblem> check_plan(const Plan& plan, const ModelShape& model, const Workload& workload,
                                    const Cluster& cluster);

// The plan with its defaults filled in: data_parallel from the world size, expert_tensor_parallel from
// tensor_parallel, layers_per_chunk from the layer count and pipeline_ends, sharding.group from sharding.replicas (both
// of which are then cleared). Call after check_plan found nothing.
Plan resolved(const Plan& plan, const ModelShape& model, const Cluster& cluster);

}  // namespace trainyard
