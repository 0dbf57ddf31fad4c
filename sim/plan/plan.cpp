#include "sim/plan/plan.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace trainyard {
namespace {

std::string switch_text(std::optional<bool> on) { return !on ? "default" : *on ? "on" : "off"; }
std::string text_of(bool on) { return on ? "on" : "off"; }
std::string text_of(const std::string& word) { return word; }
std::string text_of(std::optional<bool> on) { return switch_text(on); }
std::string text_of(std::optional<int> number) { return number ? fmt::format("{}", *number) : "default"; }
template <class Number>
std::string text_of(Number number) {
  return fmt::format("{}", number);  // shortest text that reads back the same
}

// Settings that most plans leave alone stand in the key only where they differ, so that keys stay short.
class KeyText {
 public:
  explicit KeyText(std::string text) : text_(std::move(text)) {}
  template <class Value>
  void unless(std::string_view key, const Value& value, const Value& usual) {
    if (value != usual) text_ += fmt::format(" {}={}", key, text_of(value));
  }
  template <class Value>
  void list(std::string_view key, const std::vector<Value>& values) {
    if (!values.empty()) text_ += fmt::format(" {}=[{}]", key, fmt::join(values, ","));
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

void add_pipeline(KeyText& key, const Plan& plan, const Plan& usual) {
  const PipelineEnds& ends = plan.pipeline_ends;
  key.unless("interleave_group", plan.interleave_group, usual.interleave_group);
  key.unless("first_layers", ends.first_layers, usual.pipeline_ends.first_layers);
  key.unless("last_layers", ends.last_layers, usual.pipeline_ends.last_layers);
  key.unless("embedding_counts", ends.embedding_counts, usual.pipeline_ends.embedding_counts);
  key.unless("loss_counts", ends.loss_counts, usual.pipeline_ends.loss_counts);
  key.unless("prediction_chunk", plan.prediction_chunk, usual.prediction_chunk);
  key.unless("post_validation", plan.optimizer_post_validation, usual.optimizer_post_validation);
}

void add_sharding(KeyText& key, const Sharding& sharding) {
  const Sharding usual;
  key.unless("shard_group", sharding.group, usual.group);
  key.unless("replicas", sharding.replicas, usual.replicas);
  key.unless("reshard", sharding.reshard_after_forward, usual.reshard_after_forward);
  key.unless("reshard_group", sharding.reshard_group, usual.reshard_group);
  key.unless("sync_every_micro_batch", sharding.sync_every_micro_batch, usual.sync_every_micro_batch);
  key.unless("prefetch", sharding.prefetch_units, usual.prefetch_units);
  key.unless("hpz", sharding.secondary_group, usual.secondary_group);
  key.unless("qwz", sharding.quantized_weights, usual.quantized_weights);
  key.unless("qgz", sharding.quantized_gradients, usual.quantized_gradients);
  key.unless("bucket", sharding.reduce_bucket, usual.reduce_bucket);
}

void add_recompute(KeyText& key, const Plan& plan, const Plan& usual) {
  key.unless("recompute_modules", plan.recompute_modules, usual.recompute_modules);
  key.unless("recompute_method", name(plan.recompute_method), name(usual.recompute_method));
  key.unless("recompute_layers", plan.recompute_layers, usual.recompute_layers);
}

void add_experts(KeyText& key, const Plan& plan, const Plan& usual) {
  const ExpertRouting& routing = plan.routing;
  if (plan.dispatcher) key.unless("dispatcher", name(*plan.dispatcher), std::string());
  key.unless("capacity", routing.capacity_factor, usual.routing.capacity_factor);
  key.unless("imbalance", routing.imbalance, usual.routing.imbalance);
  key.list("expert_loads", routing.loads);
  key.unless("skew", routing.skew, usual.routing.skew);
  key.unless("seed", routing.seed, usual.routing.seed);
  key.unless("shared_overlap", plan.shared_expert_overlap, usual.shared_expert_overlap);
  key.unless("ep_overlap", plan.overlap_expert_parallel, usual.overlap_expert_parallel);
}

void add_memory_savers(KeyText& key, const Plan& plan, const Plan& usual) {
  key.unless("fp8_param_gather", plan.fp8_param_gather, usual.fp8_param_gather);
  key.unless("optimizer_offload", name(plan.optimizer_offload), name(usual.optimizer_offload));
  key.unless("offload_fraction", plan.optimizer_offload_fraction, usual.optimizer_offload_fraction);
  key.unless("activation_offload", plan.activation_offload_layers, usual.activation_offload_layers);
  key.unless("cuda_graphs", plan.cuda_graphs, usual.cuda_graphs);
  key.unless("tp_overlap_method", name(plan.tp_overlap_method), name(usual.tp_overlap_method));
  key.unless("async_tp", plan.async_tensor_parallel, usual.async_tensor_parallel);
}

}  // namespace

std::optional<std::vector<Axis>> axes_of(std::string_view rank_order) {
  std::vector<Axis> axes;
  for (std::string_view rest = rank_order;;) {
    const std::size_t dash = rest.find('-');
    const std::optional<Axis> axis = axis_from(rest.substr(0, dash));
    if (!axis || std::find(axes.begin(), axes.end(), *axis) != axes.end()) return std::nullopt;
    axes.push_back(*axis);
    if (dash == std::string_view::npos) break;
    rest.remove_prefix(dash + 1);
  }
  const bool has_ep = std::find(axes.begin(), axes.end(), Axis::ep) != axes.end();
  if (axes.size() != (has_ep ? 5U : 4U)) return std::nullopt;
  return axes;
}

std::string canonical_key(const Plan& plan) {
  std::string text = fmt::format(
      "tp={} pp={} vpp={} dp={} cp={} ep={} etp={} mbs={} gbs={} sp={} schedule={} data_parallel={} recompute={} "
      "order={} placement={}",
      plan.tensor_parallel, plan.pipeline_parallel, plan.virtual_stages, plan.data_parallel, plan.context_parallel,
      plan.expert_parallel, plan.expert_tensor_parallel, plan.micro_batch_size, plan.global_batch_size,
      plan.sequence_parallel ? "on" : "off", plan.schedule, name(plan.data_parallel_kind), name(plan.recompute),
      plan.rank_order, name(plan.placement));
  for (const std::vector<int>& node : plan.explicit_placement) text += fmt::format("[{}]", fmt::join(node, ","));
  if (!plan.placement_devices.empty()) text += fmt::format("[{}]", fmt::join(plan.placement_devices, ","));
  text += fmt::format(" layers=[{}]", fmt::join(plan.layers_per_chunk, ","));
  text += fmt::format(" overlap_grad_reduce={} overlap_param_gather={} overlap_p2p={} tp_comm_overlap={}",
                      switch_text(plan.overlap_grad_reduce), switch_text(plan.overlap_param_gather),
                      switch_text(plan.overlap_p2p), switch_text(plan.tp_comm_overlap));
  text += fmt::format(" grad_reduce={}", plan.grad_reduce_type ? name(*plan.grad_reduce_type) : "default");
  KeyText key(std::move(text));
  const Plan usual;
  key.unless("cp_kind", name(plan.context_parallel_kind), name(usual.context_parallel_kind));
  key.unless("free_rank_order", plan.free_rank_order, usual.free_rank_order);
  key.unless("cp_inner", plan.context_parallel_inner, usual.context_parallel_inner);
  add_pipeline(key, plan, usual);
  add_sharding(key, plan.sharding);
  add_recompute(key, plan, usual);
  add_experts(key, plan, usual);
  add_memory_savers(key, plan, usual);
  return std::move(key).text();
}

}  // namespace trainyard
