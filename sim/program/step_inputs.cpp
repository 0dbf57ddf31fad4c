#include "sim/program/step_inputs.hpp"

#include <algorithm>

#include "models/parameter_count.hpp"

namespace trainyard {

double bucket_parameters(int data_parallel) { return std::max(40e6, 1e6 * data_parallel); }

Overlaps overlaps_of(const Plan& plan, const StackProfile& stack) {
  Overlaps o;
  o.grad_reduce = plan.overlap_grad_reduce.value_or(stack.overlap_grad_reduce);
  o.param_gather = plan.overlap_param_gather.value_or(stack.overlap_param_gather);
  // Megatron overlaps pipeline messages only in the interleaved schedule.
  const bool by_default = stack.p2p == P2pMode::overlapped && plan.schedule == ScheduleKind::interleaved;
  o.blocking_p2p = !plan.overlap_p2p.value_or(by_default);
  o.gradient_type = plan.grad_reduce_type.value_or(stack.grad_reduce_type);
  return o;
}

StackProfile effective_stack(const Plan& plan, const StackProfile& stack) {
  StackProfile s = stack;
  if (plan.tp_comm_overlap.has_value()) {
    if (*plan.tp_comm_overlap)
      s.tp_overlap = TpOverlap::userbuffers;
    else if (s.tp_overlap == TpOverlap::userbuffers)
      s.tp_overlap = TpOverlap::backward;
  }
  return s;
}

StageParameters stage_parameters(const StepInputs& in, int stage) {
  const Plan& plan = *in.plan;
  const ModelShape& model = *in.model;
  const int t = plan.tensor_parallel;
  double total = 0;
  for (int c = 0; c < plan.virtual_stages; ++c)
    total += plan.layers_per_chunk[static_cast<std::size_t>(c * plan.pipeline_parallel + stage)] *
             static_cast<double>(layer_parameters(model, false, t).total());
  if (stage == 0) total += static_cast<double>(vocabulary_parameters(model, t) + position_parameters(model));
  if (stage == plan.pipeline_parallel - 1) {
    total += static_cast<double>(final_norm_parameters(model));
    if (!model.tied_embeddings || plan.pipeline_parallel > 1)
      total += static_cast<double>(vocabulary_parameters(model, t));
  }
  const bool sharded = plan.data_parallel_kind == DataParallelKind::zero1;
  return {total, sharded ? total / (plan.data_parallel * plan.context_parallel) : total};
}

RankSlice rank_slice(const StepInputs& in) {
  return {in.plan->micro_batch_size, in.workload->sequence_length, in.plan->tensor_parallel, in.plan->sequence_parallel,
          in.workload->precision};
}

RecomputeKind recompute_kind(Recompute r) {
  switch (r) {
    case Recompute::none:
      return RecomputeKind::none;
    case Recompute::selective:
      return RecomputeKind::selective;
    case Recompute::full:
      return RecomputeKind::full;
  }
  return RecomputeKind::none;
}

}  // namespace trainyard
