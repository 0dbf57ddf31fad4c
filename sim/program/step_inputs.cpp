#include "sim/program/step_inputs.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "sim/plan/schedule.hpp"

namespace trainyard {
namespace {

// Uniform doubles in (0, 1) from a counter (SplitMix64): the same on every platform.
double uniform(std::uint64_t seed, std::uint64_t counter) {
  std::uint64_t z = seed + 0x9e3779b97f4a7c15ULL * (counter + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  z ^= z >> 31;
  return (static_cast<double>(z >> 11) + 0.5) * 0x1.0p-53;
}

// Log-normal loads: Box-Muller on two uniforms per expert.
std::vector<double> drawn_loads(const ExpertRouting& routing, std::int64_t experts) {
  std::vector<double> loads;
  for (std::int64_t e = 0; e < experts; ++e) {
    const auto i = static_cast<std::uint64_t>(2 * e);
    const double normal = std::sqrt(-2.0 * std::log(uniform(routing.seed, i))) *
                          std::cos(2.0 * std::numbers::pi * uniform(routing.seed, i + 1));
    loads.push_back(std::exp(routing.skew * normal));
  }
  return loads;
}

// Experts sit on the ranks in order.
double fullest_rank(const std::vector<double>& loads, int ep) {
  const std::size_t local = loads.size() / static_cast<std::size_t>(ep);
  double fullest = 0, total = 0;
  for (std::size_t first = 0; first + local <= loads.size(); first += local) {
    double sum = 0;
    for (std::size_t e = first; e < first + local; ++e) sum += loads[e];
    fullest = std::max(fullest, sum);
    total += sum;
  }
  return total > 0 ? fullest * ep / total : 1.0;
}

}  // namespace

double bucket_parameters(int data_parallel) { return std::max(40e6, 1e6 * data_parallel); }

Overlaps overlaps_of(const Plan& plan, const StackProfile& stack) {
  Overlaps o;
  o.grad_reduce = plan.overlap_grad_reduce.value_or(stack.overlap_grad_reduce);
  o.param_gather = plan.overlap_param_gather.value_or(stack.overlap_param_gather);
  // Megatron overlaps pipeline messages where a stage has other work to do meanwhile: several chunks, or weight
  // gradients.
  const ScheduleRow* row = find_schedule(plan.schedule);
  const bool other_work = row != nullptr && (row->chunks(plan.virtual_stages) > 1 || row->splits_backward);
  o.blocking_p2p = !plan.overlap_p2p.value_or(stack.p2p == P2pMode::overlapped && other_work);
  if (row != nullptr && row->sends_both_ways()) o.blocking_p2p = false;
  o.gradient_type = plan.grad_reduce_type.value_or(stack.grad_reduce_type);
  return o;
}

bool changes_stack(const Plan& plan) {
  return plan.tp_comm_overlap.has_value() || plan.async_tensor_parallel.has_value() || plan.cuda_graphs.has_value();
}

StackProfile effective_stack(const Plan& plan, const StackProfile& stack) {
  StackProfile s = stack;
  if (plan.tp_comm_overlap.has_value()) {
    if (*plan.tp_comm_overlap)
      s.tp_overlap = TpOverlap::userbuffers;
    else if (s.tp_overlap == TpOverlap::userbuffers)
      s.tp_overlap = TpOverlap::backward;
  }
  if (plan.async_tensor_parallel.has_value()) {
    if (*plan.async_tensor_parallel)
      s.tp_overlap = TpOverlap::async_tp;
    else if (s.tp_overlap == TpOverlap::async_tp)
      s.tp_overlap = TpOverlap::backward;
  }
  if (plan.cuda_graphs.has_value()) s.cuda_graphs = *plan.cuda_graphs;
  return s;
}

bool gathers_units(const Plan& plan) {
  return plan.data_parallel_kind == DataParallelKind::zero3 || plan.data_parallel_kind == DataParallelKind::fsdp ||
         plan.data_parallel_kind == DataParallelKind::hsdp;
}

DataType unit_reduce_type(const Plan& plan, const StackProfile& stack) {
  return plan.grad_reduce_type.value_or(stack.fsdp_reduce_type);
}

bool steps_overlap(const Plan& plan) {
  const ScheduleRow* row = find_schedule(plan.schedule);
  return row != nullptr && plan.pipeline_parallel > 1 && plan.optimizer_post_validation.value_or(row->post_validated);
}

double expert_imbalance(const Plan& plan, const ModelShape& model, double tokens) {
  if (!model.moe || plan.expert_parallel == 1) return 1.0;
  const ExpertRouting& routing = plan.routing;
  if (routing.capacity_factor > 0) return 1.0;
  if (routing.imbalance > 0) return routing.imbalance;
  const double ep = plan.expert_parallel;
  double load = 1.0;
  if (!routing.loads.empty())
    load = fullest_rank(routing.loads, plan.expert_parallel);
  else if (routing.skew > 0)
    load = fullest_rank(drawn_loads(routing, model.moe->experts), plan.expert_parallel);
  // Expected maximum of ep nearly normal counts of mean n / ep: 1 + sqrt(2 ln ep) sqrt((ep - 1) / n).
  const double draws = tokens * ep * static_cast<double>(model.moe->top_k);
  const double spread = draws > 0 ? std::sqrt(2.0 * std::log(ep)) * std::sqrt((ep - 1.0) / draws) : 0.0;
  return std::max(load, 1.0 + spread);
}

RankSlice rank_slice(const StepInputs& in) {
  const Plan& plan = *in.plan;
  RankSlice slice;
  slice.sequences = plan.micro_batch_size;
  slice.sequence_length = in.workload->sequence_length;
  slice.tp = plan.tensor_parallel;
  slice.sequence_parallel = plan.sequence_parallel;
  slice.precision = in.workload->precision;
  slice.fp8_recipe = in.workload->fp8_recipe;
  slice.fp8_attention = in.workload->fp8_attention;
  slice.document_length = in.workload->document_length;
  slice.tp_overlap_method = plan.tp_overlap_method;
  slice.cp = plan.context_parallel;
  slice.cp_kind = plan.context_parallel_kind;
  slice.cp_inner = in.paths->cp_inner;
  if (!in.model->moe) return slice;
  slice.ep = plan.expert_parallel;
  slice.etp = in.expert_tensor_parallel();
  slice.dispatcher = plan.dispatcher.value_or(in.stack->dispatcher);
  slice.ep_nodes = in.paths->ep_nodes;
  slice.expert_imbalance = expert_imbalance(plan, *in.model, static_cast<double>(slice.tokens()));
  slice.capacity_factor = plan.routing.capacity_factor;
  slice.shared_expert_overlap = plan.shared_expert_overlap;
  return slice;
}

LayerRecompute layer_recompute(const Plan& plan) { return {plan.recompute, plan.recompute_modules}; }

}  // namespace trainyard
