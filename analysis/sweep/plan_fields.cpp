#include "analysis/sweep/plan_fields.hpp"

#include <algorithm>
#include <array>

namespace trainyard {
namespace {

// Of a plan's member, or of a member of a member.
template <auto... Path>
constexpr PlanField field{[](const Plan& a, const Plan& b) { return (a.*....*Path) == (b.*....*Path); },
                          [](const Plan& from, Plan& to) { (to.*....*Path) = (from.*....*Path); }};
template <auto Member>
constexpr PlanField grid_field{field<Member>.same, field<Member>.copy, true};

using P = Plan;
using S = Sharding;
using R = ExpertRouting;
using E = PipelineEnds;

constexpr std::array fields = {
    grid_field<&P::tensor_parallel>,
    grid_field<&P::pipeline_parallel>,
    grid_field<&P::virtual_stages>,
    grid_field<&P::data_parallel>,
    grid_field<&P::context_parallel>,
    grid_field<&P::expert_parallel>,
    grid_field<&P::expert_tensor_parallel>,
    grid_field<&P::micro_batch_size>,
    grid_field<&P::schedule>,
    field<&P::global_batch_size>,
    field<&P::sequence_parallel>,
    field<&P::interleave_group>,
    field<&P::data_parallel_kind>,
    field<&P::sharding, &S::group>,
    field<&P::sharding, &S::replicas>,
    field<&P::sharding, &S::reshard_after_forward>,
    field<&P::sharding, &S::reshard_group>,
    field<&P::sharding, &S::sync_every_micro_batch>,
    field<&P::sharding, &S::prefetch_units>,
    field<&P::sharding, &S::secondary_group>,
    field<&P::sharding, &S::quantized_weights>,
    field<&P::sharding, &S::quantized_gradients>,
    field<&P::sharding, &S::reduce_bucket>,
    field<&P::recompute>,
    field<&P::recompute_modules>,
    field<&P::recompute_method>,
    field<&P::recompute_layers>,
    field<&P::layers_per_chunk>,
    field<&P::pipeline_ends, &E::first_layers>,
    field<&P::pipeline_ends, &E::last_layers>,
    field<&P::pipeline_ends, &E::embedding_counts>,
    field<&P::pipeline_ends, &E::loss_counts>,
    field<&P::prediction_chunk>,
    field<&P::rank_order>,
    field<&P::placement>,
    field<&P::explicit_placement>,
    field<&P::placement_devices>,
    field<&P::free_rank_order>,
    field<&P::overlap_grad_reduce>,
    field<&P::overlap_param_gather>,
    field<&P::overlap_p2p>,
    field<&P::tp_comm_overlap>,
    field<&P::tp_overlap_method>,
    field<&P::async_tensor_parallel>,
    field<&P::grad_reduce_type>,
    field<&P::context_parallel_kind>,
    field<&P::context_parallel_inner>,
    field<&P::dispatcher>,
    field<&P::routing, &R::capacity_factor>,
    field<&P::routing, &R::imbalance>,
    field<&P::routing, &R::loads>,
    field<&P::routing, &R::skew>,
    field<&P::routing, &R::seed>,
    field<&P::shared_expert_overlap>,
    field<&P::overlap_expert_parallel>,
    field<&P::optimizer_post_validation>,
    field<&P::fp8_param_gather>,
    field<&P::optimizer_offload>,
    field<&P::optimizer_offload_fraction>,
    field<&P::activation_offload_layers>,
    field<&P::cuda_graphs>,
};

}  // namespace

std::span<const PlanField> plan_fields() { return fields; }

std::vector<const PlanField*> changed_fields(const Plan& base, const std::vector<Plan>& plans) {
  std::vector<const PlanField*> changed;
  for (const PlanField& f : fields)
    if (std::any_of(plans.begin(), plans.end(), [&](const Plan& p) { return !f.same(base, p); })) changed.push_back(&f);
  return changed;
}

}  // namespace trainyard
