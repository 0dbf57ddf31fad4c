#include <catch2/catch.hpp>

#include "analysis/sweep/plan_fields.hpp"

namespace trainyard {
namespace {

// Differs from Plan{} in every setting.
Plan unusual() {
  Plan p;
  p.tensor_parallel = p.pipeline_parallel = p.virtual_stages = p.data_parallel = 2;
  p.context_parallel = p.expert_parallel = p.expert_tensor_parallel = p.micro_batch_size = p.global_batch_size = 2;
  p.sequence_parallel = true;
  p.schedule = "gpipe";
  p.interleave_group = 2;
  p.data_parallel_kind = DataParallelKind::hsdp;
  p.sharding = {.group = 2,
                .replicas = 2,
                .reshard_after_forward = false,
                .reshard_group = 2,
                .sync_every_micro_batch = false,
                .prefetch_units = 2,
                .secondary_group = 2,
                .quantized_weights = true,
                .quantized_gradients = true,
                .reduce_bucket = 2};
  p.recompute = Recompute::full;
  p.recompute_modules = recompute_layernorm;
  p.recompute_method = RecomputeMethod::block;
  p.recompute_layers = 2;
  p.layers_per_chunk = {2};
  p.pipeline_ends = {.first_layers = 2, .last_layers = 2, .embedding_counts = true, .loss_counts = true};
  p.prediction_chunk = 2;
  p.rank_order = "tp-cp-ep-pp-dp";
  p.placement = PlacementKind::device_list;
  p.explicit_placement = {{2}};
  p.placement_devices = {2};
  p.free_rank_order = true;
  p.overlap_grad_reduce = p.overlap_param_gather = p.overlap_p2p = p.tp_comm_overlap = true;
  p.tp_overlap_method = TpOverlapMethod::pipeline;
  p.async_tensor_parallel = true;
  p.grad_reduce_type = DataType::bf16;
  p.context_parallel_kind = ContextParallelKind::ulysses;
  p.context_parallel_inner = 2;
  p.dispatcher = ExpertDispatcher::all_gather;
  p.routing = {.capacity_factor = 2, .imbalance = 2, .loads = {2}, .skew = 2, .seed = 2};
  p.shared_expert_overlap = p.overlap_expert_parallel = true;
  p.optimizer_post_validation = true;
  p.fp8_param_gather = true;
  p.optimizer_offload = OffloadTarget::cpu;
  p.optimizer_offload_fraction = 0.5;
  p.activation_offload_layers = 2;
  p.cuda_graphs = true;
  return p;
}

TEST_CASE("the fields of a plan are all of it") {
  Plan copied;
  for (const PlanField& field : plan_fields()) {
    CHECK_FALSE(field.same(Plan{}, unusual()));
    field.copy(unusual(), copied);
  }
  CHECK(copied == unusual());
}

TEST_CASE("changed fields are those in which any plan differs") {
  Plan one, other;
  one.sharding.prefetch_units = 3;
  other.cuda_graphs = false;
  const std::vector<const PlanField*> changed = changed_fields({}, {one, other, {}});
  REQUIRE(changed.size() == 2);
  Plan plan = unusual();
  changed[0]->copy(one, plan);
  CHECK(plan.sharding.prefetch_units == 3);
  CHECK(plan.sharding.group == 2);
}

}  // namespace
}  // namespace trainyard
