// The rules of plan_checker.hpp that come from the model: what must be divisible by what.
#include <fmt/format.h>

#include "sim/plan/layer_split.hpp"
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
  if (cp > 1 && length % (2 * cp) != 0)
    add("cp",
        fmt::format("sequence_length {} is not divisible by 2 * context_parallel_size {} = {}", length, cp, 2 * cp));
  if (plan_.sequence_parallel && length % saturating_product({tp, cp}) != 0)
    add("tp", fmt::format("sequence_length {} is not divisible by tensor_model_parallel_size {}{}, which "
                          "sequence_parallel needs",
                          length, tp, cp > 1 ? fmt::format(" * context_parallel_size {}", cp) : std::string()));
}

void PlanChecker::check_experts() {
  const std::int64_t ep = plan_.expert_parallel;
  if (!model_.moe && ep > 1)
    add("ep", fmt::format("expert_model_parallel_size {} needs a mixture-of-experts model", ep));
  if (model_.moe && model_.moe->experts % ep != 0)
    add("ep", fmt::format("{} experts are not divisible by expert_model_parallel_size {}", model_.moe->experts, ep));
  if (!model_.moe && plan_.expert_tensor_parallel <= 1) return;
  check_expert_grid();
}

void PlanChecker::check_expert_grid() {
  const std::int64_t etp = plan_.expert_tensor_parallel > 0 ? plan_.expert_tensor_parallel : plan_.tensor_parallel;
  if (model_.moe && model_.moe->expert_ffn % etp != 0)
    add("etp", fmt::format("moe_ffn_hidden_size {} is not divisible by expert_tensor_parallel_size {}",
                           model_.moe->expert_ffn, etp));
  const std::int64_t cell = saturating_product({etp, plan_.expert_parallel, plan_.pipeline_parallel});
  if (world_size() % cell != 0)
    add("ep", fmt::format("{} GPUs are not divisible by expert_tensor_parallel_size {} * expert_model_parallel_size "
                          "{} * pipeline_model_parallel_size {} = {}",
                          world_size(), etp, plan_.expert_parallel, plan_.pipeline_parallel, count_text(cell)));
  // Both grids must cut the world into the same pipelines; with pp slowest they always do.
  const std::optional<std::vector<Axis>> order = axes_of(plan_.rank_order);
  const bool same_cut =
      etp * plan_.expert_parallel == saturating_product({plan_.tensor_parallel, plan_.context_parallel});
  if (order && order->back() != Axis::pp && plan_.pipeline_parallel > 1 && !same_cut)
    add("ep", fmt::format("rank_order '{}' must end with pp when the expert grid differs from the dense one",
                          plan_.rank_order));
}

void PlanChecker::check_layers() {
  if (plan_.virtual_stages > 1 && plan_.pipeline_parallel == 1)
    add("pp", fmt::format("num_virtual_stages_per_pipeline_rank {} needs pipeline_model_parallel_size > 1",
                          plan_.virtual_stages));
  if (!plan_.layers_per_chunk.empty()) return check_layers_per_chunk();
  if (model_.layers <= 0 || splits_by_itself(model_.layers, model_chunks())) return;
  add("pp", fmt::format("{0} layers do not split over pipeline_model_parallel_size {1} * "
                        "num_virtual_stages_per_pipeline_rank {2} = {3} chunks: neither {0} nor {0} + 2 is divisible "
                        "by {3}; give layers_per_chunk{4}",
                        model_.layers, plan_.pipeline_parallel, plan_.virtual_stages, count_text(model_chunks()),
                        fitting_pipelines()));
}

// The nearest pipeline sizes with the same number of virtual stages that would split the layers.
std::string PlanChecker::fitting_pipelines() const {
  const std::int64_t virtual_stages = plan_.virtual_stages;
  const std::int64_t most = std::min<std::int64_t>(model_.layers, 4096) / virtual_stages + 1;
  std::vector<std::int64_t> fitting;
  for (std::int64_t pp = std::min<std::int64_t>(plan_.pipeline_parallel, most) - 1; pp >= 1 && fitting.empty(); --pp)
    if ((pp > 1 || virtual_stages == 1) && splits_by_itself(model_.layers, pp * virtual_stages)) fitting.push_back(pp);
  for (std::int64_t pp = std::int64_t{plan_.pipeline_parallel} + 1; pp <= most; ++pp) {
    if (!splits_by_itself(model_.layers, pp * virtual_stages)) continue;
    fitting.push_back(pp);
    break;
  }
  if (fitting.empty()) return {};
  return fmt::format(", or use pipeline_model_parallel_size {}", fmt::join(fitting, " or "));
}

void PlanChecker::check_layers_per_chunk() {
  const std::vector<int>& layers = plan_.layers_per_chunk;
  if (static_cast<std::int64_t>(layers.size()) != model_chunks())
    add("pp", fmt::format("layers_per_chunk has {} entries, but pipeline_model_parallel_size {} * "
                          "num_virtual_stages_per_pipeline_rank {} needs {}",
                          layers.size(), plan_.pipeline_parallel, plan_.virtual_stages, count_text(model_chunks())));
  std::int64_t sum = 0;
  for (std::size_t chunk = 0; chunk < layers.size(); ++chunk) {
    sum += layers[chunk];
    const bool outer = chunk == 0 || chunk + 1 == layers.size();  // holds the embedding or the head
    if (layers[chunk] < 0 || (layers[chunk] == 0 && !outer))
      add("pp", fmt::format("layers_per_chunk gives chunk {} of {} {} layers; only the first and the last may be empty",
                            chunk, layers.size(), layers[chunk]));
  }
  if (sum != model_.layers)
    add("pp", fmt::format("layers_per_chunk sums to {}, but the model has {} layers", sum, model_.layers));
}

}  // namespace trainyard
