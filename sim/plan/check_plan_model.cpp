// The rules of plan_checker.hpp that come from the model: what must be divisible by what.
#include <fmt/format.h>

#include "sim/plan/plan_checker.hpp"

namespace trainyard {

void PlanChecker::check_tensor_parallel() {
  const std::int64_t tp = plan_.tensor_parallel;
  const auto divides = [&](std::int64_t value, const char* what) {
    if (value % tp != 0)
      add("tp", fmt::format("{} {} are not divisible by tensor_model_parallel_size {}", value, what, tp));
  };
  divides(model_.heads, "heads");
  check_key_value_heads();
  if (model_.ffn % tp != 0)
    add("tp", fmt::format("ffn_hidden_size {} is not divisible by tensor_model_parallel_size {}", model_.ffn, tp));
  if (plan_.sequence_parallel && model_.hidden % tp != 0)
    add("tp", fmt::format("hidden_size {} is not divisible by tensor_model_parallel_size {}, which sequence_parallel "
                          "needs",
                          model_.hidden, tp));
  // Userbuffers overlap the gathers and scatters of sequence parallelism (arguments.py of Megatron-LM asserts it).
  if (plan_.tp_comm_overlap.value_or(false) && tp > 1 && !plan_.sequence_parallel)
    add("tp", "tp_comm_overlap needs sequence_parallel");
}

// With fewer key-value heads than ranks every rank holds one whole head, replicated tp / kv_heads times.
void PlanChecker::check_key_value_heads() {
  const std::int64_t tp = plan_.tensor_parallel, kv = model_.kv_heads;
  if (kv <= 0 || model_.latent_attention) return;
  if (kv >= tp ? kv % tp == 0 : tp % kv == 0) return;
  if (kv >= tp)
    add("tp", fmt::format("{} key-value heads are not divisible by tensor_model_parallel_size {}", kv, tp));
  else
    add("tp", fmt::format("{} key-value heads cannot be replicated evenly over tensor_model_parallel_size {}", kv, tp));
}

void PlanChecker::check_sequence() {
  const std::int64_t length = workload_.sequence_length, tp = plan_.tensor_parallel, cp = plan_.context_parallel;
  if (length <= 0) return;
  // Rings and gathers balance the causal mask by giving each rank one slice from either end; Ulysses needs no balance.
  const bool two_slices = plan_.context_parallel_kind != ContextParallelKind::ulysses;
  const std::int64_t slices = two_slices ? 2 * cp : cp;
  if (cp > 1 && length % slices != 0)
    add("cp", fmt::format("sequence_length {} is not divisible by {}context_parallel_size {}{}", length,
                          two_slices ? "2 * " : "", cp, two_slices ? fmt::format(" = {}", slices) : std::string()));
  if (plan_.sequence_parallel && length % saturating_product({tp, cp}) != 0)
    add("tp", fmt::format("sequence_length {} is not divisible by tensor_model_parallel_size {}{}, which "
                          "sequence_parallel needs",
                          length, tp, cp > 1 ? fmt::format(" * context_parallel_size {}", cp) : std::string()));
  if (workload_.document_length < 0 || workload_.document_length > length)
    add("sequence",
        fmt::format("document_length {} is outside 1 to sequence_length {}", workload_.document_length, length));
}

void PlanChecker::check_context_parallel() {
  const std::int64_t cp = plan_.context_parallel, inner = plan_.context_parallel_inner;
  switch (plan_.context_parallel_kind) {
    case ContextParallelKind::ring:
    case ContextParallelKind::all_gather:
      return;
    case ContextParallelKind::ulysses:
      return check_heads_per_rank(cp);
    case ContextParallelKind::hierarchical:
      if (inner > 0 && cp % inner != 0)
        return add("cp", fmt::format("the all-to-all over {} ranks (hierarchical_context_parallel_sizes) does not "
                                     "divide context_parallel_size {}",
                                     inner, cp));
      return check_heads_per_rank(inner > 0 ? inner : automatic_inner_context());
  }
}

// An all-to-all trades sequence for heads: each of its ranks needs whole heads. Key-value heads may be fewer than ranks
// and are then replicated.
void PlanChecker::check_heads_per_rank(std::int64_t exchanging) {
  const std::int64_t tp = plan_.tensor_parallel;
  if (exchanging <= 1 || model_.heads <= 0 || model_.kv_heads <= 0) return;
  const std::string ranks =
      fmt::format("the {} ranks of cp_comm_type {}", exchanging, name(plan_.context_parallel_kind));
  if (model_.heads % saturating_product({tp, exchanging}) != 0)
    return add("cp", fmt::format("{} heads over tensor_model_parallel_size {} are not divisible by {}", model_.heads,
                                 tp, ranks));
  const std::int64_t kv = std::max<std::int64_t>(1, model_.kv_heads / tp);
  if (!model_.latent_attention && kv % exchanging != 0 && exchanging % kv != 0)
    add("cp", fmt::format("{} key-value heads over tensor_model_parallel_size {} neither divide nor are divisible by "
                          "{}",
                          model_.kv_heads, tp, ranks));
}

// As communication_paths has it where the plan does not say: the largest part that stays inside a node.
std::int64_t PlanChecker::automatic_inner_context() const {
  const std::optional<std::vector<Axis>> order = axes_of(plan_.rank_order);
  if (!order) return 1;
  std::int64_t stride = 1;
  for (const Axis axis : *order) {
    if (axis == Axis::cp) break;
    if (axis == Axis::tp) stride = saturating_product({stride, plan_.tensor_parallel});
    if (axis == Axis::pp) stride = saturating_product({stride, plan_.pipeline_parallel});
    if (axis == Axis::dp) stride = saturating_product({stride, std::max<std::int64_t>(1, data_parallel())});
  }
  const auto gpus = static_cast<std::int64_t>(cluster_.node.gpus.size());
  const std::int64_t most = std::min<std::int64_t>(plan_.context_parallel, gpus / stride);
  for (std::int64_t inner = most; inner > 1; --inner)
    if (plan_.context_parallel % inner == 0) return inner;
  return 1;
}

}  // namespace trainyard
