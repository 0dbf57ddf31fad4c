// The rules behind check_plan: those of machine and batch are in check_plan.cpp, of the model's shape in
// check_plan_model.cpp, of layers and schedule in check_plan_pipeline.cpp, of experts in check_plan_experts.cpp, of
// sharding, recomputation, offloading and precision in check_plan_states.cpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "sim/plan/check_plan.hpp"
#include "sim/plan/schedule.hpp"

namespace trainyard {

inline constexpr std::int64_t saturated_count = std::numeric_limits<std::int64_t>::max();

// Saturates instead of overflowing, for factors > 0: absurd sizes must end in a message.
inline std::int64_t saturating_product(std::initializer_list<std::int64_t> factors) {
  std::int64_t result = 1;
  for (std::int64_t factor : factors)
    if (__builtin_mul_overflow(result, factor, &result)) return saturated_count;
  return result;
}

// "far too many" where the product saturated.
std::string count_text(std::int64_t n);

// One method per family of rules. Sizes that are not positive are reported first; rules that would divide by them or
// multiply them are then left out.
class PlanChecker {
 public:
  PlanChecker(const Plan& plan, const ModelShape& model, const Workload& workload, const Cluster& cluster)
      : plan_(plan), model_(model), workload_(workload), cluster_(cluster) {}

  std::vector<PlanProblem> problems() {
    plan_sizes_are_positive_ = check_sizes();
    check_rank_order();
    if (plan_sizes_are_positive_) {
      check_world();
      check_tensor_parallel();
      check_sequence();
      check_context_parallel();
      check_experts();
      check_layers();
      check_schedule();
      check_batch();
      check_sharding();
      check_activation_offload();
    }
    check_routing();
    check_recompute();
    check_optimizer_offload();
    check_low_precision();
    check_explicit_placement();
    check_device_list();
    return std::move(problems_);
  }

 private:
  void add(std::string axis, std::string reason) { problems_.push_back({std::move(axis), std::move(reason), false}); }

  bool check_sizes();
  void check_optional_sizes();
  void check_rank_order();
  void check_world();
  void check_tensor_parallel();
  void check_key_value_heads();
  void check_sequence();
  void check_context_parallel();
  void check_heads_per_rank(std::int64_t exchanging);
  std::int64_t automatic_inner_context() const;
  void check_experts();
  void check_expert_grid();
  void check_expert_overlap();
  void check_routing();
  void check_fullest_experts();
  void check_layers();
  void check_layers_per_chunk();
  void check_empty_chunks(const std::vector<int>& layers);
  void check_pipeline_ends();
  void check_prediction_chunk();
  std::string fitting_pipelines() const;
  void check_schedule();
  bool check_virtual_stages(const ScheduleRow& row);
  void check_pipeline_shape(int micro_batches);
  void check_batch();
  void check_sharding();
  void check_shard_groups();
  void check_parameter_sharding();
  void check_recompute();
  void check_recompute_modules();
  void check_optimizer_offload();
  void check_activation_offload();
  std::int64_t most_layers_per_stage() const;
  void check_low_precision();
  void check_explicit_placement();
  void check_device_list();

  bool shards_parameters() const {
    return plan_.data_parallel_kind == DataParallelKind::zero3 || plan_.data_parallel_kind == DataParallelKind::fsdp ||
           plan_.data_parallel_kind == DataParallelKind::hsdp;
  }
  bool ends_are_said() const { return plan_.pipeline_ends != PipelineEnds{}; }
  std::int64_t world_size() const {
    return std::max<std::int64_t>(0, static_cast<std::int64_t>(cluster_.nodes)) *
           static_cast<std::int64_t>(cluster_.node.gpus.size());
  }
  std::int64_t model_chunks() const { return saturating_product({plan_.pipeline_parallel, plan_.virtual_stages}); }
  std::int64_t ranks_per_replica() const {
    return saturating_product({plan_.tensor_parallel, plan_.context_parallel, plan_.pipeline_parallel});
  }
  // The plan's, else what the cluster leaves; 0 where neither is known.
  std::int64_t data_parallel() const {
    if (plan_.data_parallel > 0) return plan_.data_parallel;
    return world_size() % ranks_per_replica() == 0 ? world_size() / ranks_per_replica() : 0;
  }

  const Plan& plan_;
  const ModelShape& model_;
  const Workload& workload_;
  const Cluster& cluster_;
  bool plan_sizes_are_positive_ = false;
  bool schedule_fits_virtual_stages_ = false;
  std::vector<PlanProblem> problems_;
};

}  // namespace trainyard
