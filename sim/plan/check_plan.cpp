#include "sim/plan/check_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <initializer_list>
#include <limits>
#include <utility>

#include "sim/plan/layer_split.hpp"

namespace trainyard {
namespace {

constexpr std::int64_t too_many = std::numeric_limits<std::int64_t>::max();

// Saturates instead of overflowing, for factors > 0: absurd sizes must end in a message.
std::int64_t product(std::initializer_list<std::int64_t> factors) {
  std::int64_t result = 1;
  for (std::int64_t factor : factors)
    if (__builtin_mul_overflow(result, factor, &result)) return too_many;
  return result;
}

std::string count_text(std::int64_t n) { return n == too_many ? "far too many" : fmt::format("{}", n); }

// The neighbouring multiples of `step`: "96 or 112 would fit".
std::string multiples_around(std::int64_t value, std::int64_t step) {
  const std::int64_t below = value / step * step;
  if (below > too_many - step) return fmt::format("{} would fit", below);
  if (below == 0) return fmt::format("{} would fit", step);
  return fmt::format("{} or {} would fit", below, below + step);
}

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
      check_experts();
      check_layers();
      check_schedule();
      check_batch();
    }
    check_explicit_placement();
    check_supported();
    return std::move(problems_);
  }

 private:
  void add(std::string axis, std::string reason) { problems_.push_back({std::move(axis), std::move(reason), false}); }
  void add_unsupported(std::string axis, const std::string& what) {
    problems_.push_back({std::move(axis), what + " not modelled yet", true});
  }

  bool check_sizes();
  void check_rank_order();
  void check_world();
  void check_tensor_parallel();
  void check_key_value_heads();
  void check_sequence();
  void check_experts();
  void check_expert_grid();
  void check_layers();
  void check_layers_per_chunk();
  std::string fitting_pipelines() const;
  void check_schedule();
  void check_batch();
  void check_explicit_placement();
  void check_supported();

  std::int64_t world_size() const {
    return std::max<std::int64_t>(0, static_cast<std::int64_t>(cluster_.nodes)) *
           static_cast<std::int64_t>(cluster_.node.gpus.size());
  }
  std::int64_t model_chunks() const { return product({plan_.pipeline_parallel, plan_.virtual_stages}); }
  std::int64_t ranks_per_replica() const {
    return product({plan_.tensor_parallel, plan_.context_parallel, plan_.pipeline_parallel});
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
  std::vector<PlanProblem> problems_;
};

bool PlanChecker::check_sizes() {
  const std::size_t before = problems_.size();
  const auto at_least = [this](const char* axis, const char* key, std::int64_t value, std::int64_t low) {
    if (value < low) add(axis, fmt::format("{} is {}, must be at least {}", key, value, low));
  };
  at_least("tp", "tensor_model_parallel_size", plan_.tensor_parallel, 1);
  at_least("pp", "pipeline_model_parallel_size", plan_.pipeline_parallel, 1);
  at_least("pp", "num_virtual_stages_per_pipeline_rank", plan_.virtual_stages, 1);
  at_least("cp", "context_parallel_size", plan_.context_parallel, 1);
  at_least("ep", "expert_model_parallel_size", plan_.expert_parallel, 1);
  at_least("batch", "micro_batch_size", plan_.micro_batch_size, 1);
  at_least("batch", "global_batch_size", plan_.global_batch_size, 1);
  if (plan_.data_parallel < 0)
    add("dp", fmt::format("data_parallel_size is {}, must be at least 1, or absent for what the cluster leaves",
                          plan_.data_parallel));
  if (plan_.expert_tensor_parallel < 0)
    add("etp", fmt::format("expert_tensor_parallel_size is {}, must be at least 1, or absent for "
                           "tensor_model_parallel_size", plan_.expert_tensor_parallel));
  const bool plan_is_positive = problems_.size() == before;
  at_least("sequence", "sequence_length", workload_.sequence_length, 1);
  at_least("model", "the model's number of layers", model_.layers, 1);
  at_least("model", "the model's hidden size", model_.hidden, 1);
  at_least("model", "the model's number of heads", model_.heads, 1);
  at_least("model", "the model's number of key-value heads", model_.kv_heads, 1);
  return plan_is_positive;
}

void PlanChecker::check_rank_order() {
  if (!axes_of(plan_.rank_order))
    add("placement", fmt::format("rank_order '{}' must name each of tp, cp, ep, dp, pp once, joined by '-', as in "
                                 "tp-cp-ep-dp-pp", plan_.rank_order));
}

void PlanChecker::check_world() {
  const std::int64_t world = world_size(), replica = ranks_per_replica();
  if (world == 0) return add("world", "the cluster has no GPUs");
  const std::string factors = fmt::format(
      "tensor_model_parallel_size {} * context_parallel_size {} * pipeline_model_parallel_size {}",
      plan_.tensor_parallel, plan_.context_parallel, plan_.pipeline_parallel);
  const std::string gpus = fmt::format("{} GPUs ({} nodes of {})", world, cluster_.nodes, cluster_.node.gpus.size());
  if (plan_.data_parallel == 0) {
    if (replica > world)
      add("world", fmt::format("{} needs {} GPUs, but the cluster has {}", factors, count_text(replica), gpus));
    else if (world % replica != 0)
      add("world", fmt::format("the cluster's {} are not divisible by {} = {} ({})", gpus, factors, replica,
                               multiples_around(world, replica)));
    return;
  }
  const std::int64_t needed = product({replica, plan_.data_parallel});
  if (needed == world) return;
  const std::string fit = replica <= world && world % replica == 0
                              ? fmt::format("data_parallel_size {} would fit", world / replica)
                              : std::string("no data_parallel_size would fit");
  add("world", fmt::format("{} * data_parallel_size {} = {} ranks, but the cluster has {}; {}", factors,
                           plan_.data_parallel, count_text(needed), gpus, fit));
}

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
                          "needs", model_.hidden, tp));
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
    add("cp", fmt::format("sequence_length {} is not divisible by 2 * context_parallel_size {} = {}", length, cp,
                          2 * cp));
  if (plan_.sequence_parallel && length % product({tp, cp}) != 0)
    add("tp", fmt::format("sequence_length {} is not divisible by tensor_model_parallel_size {}{}, which "
                          "sequence_parallel needs", length, tp,
                          cp > 1 ? fmt::format(" * context_parallel_size {}", cp) : std::string()));
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
  const std::int64_t cell = product({etp, plan_.expert_parallel, plan_.pipeline_parallel});
  if (world_size() % cell != 0)
    add("ep", fmt::format("{} GPUs are not divisible by expert_tensor_parallel_size {} * expert_model_parallel_size "
                          "{} * pipeline_model_parallel_size {} = {}",
                          world_size(), etp, plan_.expert_parallel, plan_.pipeline_parallel, count_text(cell)));
  // Both grids must cut the world into the same pipelines; with pp slowest they always do.
  const std::optional<std::vector<Axis>> order = axes_of(plan_.rank_order);
  const bool same_cut = etp * plan_.expert_parallel == product({plan_.tensor_parallel, plan_.context_parallel});
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
  for (std::int64_t pp = plan_.pipeline_parallel + 1; pp <= most; ++pp) {
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

void PlanChecker::check_schedule() {
  const bool v_shaped = plan_.schedule == ScheduleKind::zb_v || plan_.schedule == ScheduleKind::dualpipe;
  if (plan_.schedule == ScheduleKind::interleaved && plan_.virtual_stages == 1)
    add("schedule", "schedule interleaved needs num_virtual_stages_per_pipeline_rank > 1; with 1 it is 1f1b");
  if (plan_.schedule != ScheduleKind::interleaved && !v_shaped && plan_.virtual_stages > 1)
    add("schedule", fmt::format("num_virtual_stages_per_pipeline_rank {} needs schedule interleaved, not {}",
                                plan_.virtual_stages, name(plan_.schedule)));
  if (v_shaped && plan_.virtual_stages > 2)
    add("schedule", fmt::format("schedule {} has two chunks per rank, not num_virtual_stages_per_pipeline_rank {}",
                                name(plan_.schedule), plan_.virtual_stages));
}

void PlanChecker::check_batch() {
  const std::int64_t dp = data_parallel();
  if (dp == 0) {
    if (plan_.global_batch_size % plan_.micro_batch_size != 0)
      add("batch", fmt::format("global_batch_size {} is not divisible by micro_batch_size {} ({})",
                               plan_.global_batch_size, plan_.micro_batch_size,
                               multiples_around(plan_.global_batch_size, plan_.micro_batch_size)));
    return;
  }
  const std::int64_t step = product({plan_.micro_batch_size, dp});
  if (plan_.global_batch_size % step != 0)
    return add("batch", fmt::format("global_batch_size {} is not divisible by micro_batch_size {} * data_parallel_size "
                                    "{} = {} ({})", plan_.global_batch_size, plan_.micro_batch_size, dp,
                                    count_text(step), multiples_around(plan_.global_batch_size, step)));
  const std::int64_t micro_batches = plan_.global_batch_size / step;
  if (plan_.schedule == ScheduleKind::interleaved && plan_.virtual_stages > 1 &&
      micro_batches % plan_.pipeline_parallel != 0)
    add("schedule", fmt::format("{} micro-batches (global_batch_size {} / {}) are not divisible by "
                                "pipeline_model_parallel_size {}, which the interleaved schedule needs",
                                micro_batches, plan_.global_batch_size, step, plan_.pipeline_parallel));
}

void PlanChecker::check_explicit_placement() {
  if (plan_.placement != PlacementKind::explicit_list) return;
  const std::size_t gpus = cluster_.node.gpus.size();
  if (static_cast<std::int64_t>(plan_.explicit_placement.size()) != cluster_.nodes)
    add("placement", fmt::format("placement lists {} nodes, but the cluster has {}", plan_.explicit_placement.size(),
                                 cluster_.nodes));
  for (std::size_t node = 0; node < plan_.explicit_placement.size(); ++node) {
    const std::vector<int>& listed = plan_.explicit_placement[node];
    if (listed.size() != gpus)
      add("placement", fmt::format("placement lists {} GPUs for node {}, but a node has {}", listed.size(), node, gpus));
    std::vector<bool> seen(gpus, false);
    for (int gpu : listed) {
      if (gpu < 0 || static_cast<std::size_t>(gpu) >= gpus)
        add("placement", fmt::format("placement names GPU {} on node {}, but its GPUs are 0 to {}", gpu, node,
                                     static_cast<std::int64_t>(gpus) - 1));
      else if (seen[static_cast<std::size_t>(gpu)])
        add("placement", fmt::format("placement names GPU {} on node {} twice", gpu, node));
      else
        seen[static_cast<std::size_t>(gpu)] = true;
    }
  }
}

void PlanChecker::check_supported() {
  if (plan_.context_parallel > 1)
    add_unsupported("cp", fmt::format("context_parallel_size {} is", plan_.context_parallel));
  if (plan_.expert_parallel > 1)
    add_unsupported("ep", fmt::format("expert_model_parallel_size {} is", plan_.expert_parallel));
  if (model_.moe) add_unsupported("model", "a mixture-of-experts model is");
  if (model_.latent_attention) add_unsupported("model", "multi-head latent attention is");
  switch (plan_.data_parallel_kind) {
    case DataParallelKind::ddp:
    case DataParallelKind::zero1: break;
    case DataParallelKind::zero2:
    case DataParallelKind::zero3:
    case DataParallelKind::fsdp:
    case DataParallelKind::hsdp:
      add_unsupported("dp", fmt::format("data_parallel {} is", name(plan_.data_parallel_kind)));
  }
  switch (plan_.schedule) {
    case ScheduleKind::gpipe:
    case ScheduleKind::one_f_one_b:
    case ScheduleKind::interleaved: break;
    case ScheduleKind::zb_h1:
    case ScheduleKind::zb_h2:
    case ScheduleKind::zb_v:
    case ScheduleKind::dualpipe: add_unsupported("schedule", fmt::format("schedule {} is", name(plan_.schedule)));
  }
  if (workload_.precision == DataType::fp8) add_unsupported("precision", "fp8 precision is");
}

}  // namespace

std::vector<PlanProblem> check_plan(const Plan& plan, const ModelShape& model, const Workload& workload,
                                    const Cluster& cluster) {
  return PlanChecker(plan, model, workload, cluster).problems();
}

Plan resolved(const Plan& plan, const ModelShape& model, const Cluster& cluster) {
  Plan full = plan;
  if (full.data_parallel == 0)
    full.data_parallel =
        cluster.world_size() / (plan.tensor_parallel * plan.context_parallel * plan.pipeline_parallel);
  if (full.expert_tensor_parallel == 0) full.expert_tensor_parallel = plan.tensor_parallel;
  if (full.layers_per_chunk.empty()) {
    std::optional<std::vector<int>> split = split_layers(model.layers, plan.pipeline_parallel * plan.virtual_stages);
    assert(split);
    full.layers_per_chunk = std::move(*split);
  }
  return full;
}

}  // namespace trainyard
