#include "sim/program/gradient_sync.hpp"

#include <cmath>
#include <utility>

#include "models/parameter_count.hpp"

namespace trainyard {
namespace {

constexpr int tied_embedding_rendezvous = 0;
constexpr int gradient_norm_rendezvous = 1;
constexpr int mirror_rendezvous = 2;  // + the lower stage of the pair

// What an offloaded Adam reads and writes per parameter: gradient 4, master and moments 24, 16-bit copy 2.
constexpr double offloaded_update_bytes = 30;

}  // namespace

Bytes whole_bytes(double bytes) { return Bytes(std::ceil(bytes)); }

double parameter_bytes(const Plan& plan) { return plan.fp8_param_gather ? 1.0 : 2.0; }

void GradientSync::begin_stage() {
  parameters_ = stage_parameters(context_.model, context_.stage);
  dense_path_ = context_.writer.path(shards_optimizer() ? PathKind::shard : PathKind::gradients);
  replica_path_ = context_.writer.path(PathKind::replicas);
  expert_path_ = context_.writer.path(PathKind::expert_gradients);
  pending_.clear();
  reductions_.clear();
  sums_.clear();
}

bool GradientSync::shards_optimizer() const {
  const DataParallelKind kind = context_.plan().data_parallel_kind;
  return reduces() && (kind == DataParallelKind::zero1 || kind == DataParallelKind::zero2);
}

bool GradientSync::every_micro_batch() const { return context_.plan().data_parallel_kind == DataParallelKind::zero2; }

// Megatron enables bucket-wise overlap on every stage of an interleaved pipeline, on stage 0 alone otherwise (the
// later stages reduce in their cool-down bubble).
bool GradientSync::by_bucket() const {
  return context_.shape.chunks > 1 || context_.stage == 0 || context_.shape.stages == 1;
}

CommGroup GradientSync::gradient_group(bool expert) const {
  if (expert) return CommGroup::expert_gradients;
  return shards_optimizer() ? CommGroup::shard : CommGroup::gradients;
}

Collective GradientSync::reduction(double parameters, bool expert) const {
  Collective c;
  c.axis = Axis::dp;
  c.kind = shards_optimizer() ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce;
  c.bytes = Bytes(bytes_per_element(context_.overlaps.gradient_type) * parameters);
  c.path = expert ? expert_path_ : dense_path_;
  c.group = gradient_group(expert);
  c.label = expert ? "expert gradients" : "gradients";
  c.slowdown = shards_optimizer() ? context_.in.stack->distributed_optimizer_factor : 1.0;
  return c;
}

Collective GradientSync::gather(double parameters, bool expert) const {
  Collective c;
  c.axis = Axis::dp;
  c.kind = CollectiveKind::all_gather;
  c.bytes = Bytes(parameter_bytes(context_.plan()) * parameters);
  c.path = expert ? expert_path_ : dense_path_;
  c.group = gradient_group(expert);
  c.label = expert ? "expert parameters" : "parameters";
  c.slowdown = context_.in.stack->distributed_optimizer_factor;
  return c;
}

void GradientSync::emit(double dense, double experts) {
  StageWriter& writer = context_.writer;
  const auto one = [&](double parameters, bool expert) {
    if (parameters <= 0) return;
    writer.wait_for_compute();
    pending_.push_back(writer.emit(reduction_work(parameters, expert), Stream::dp, Phase::gradient_sync, {-1, 0}));
  };
  one(dense, false);
  sum_over_instances(dense);
  if (context_.in.model->moe && context_.in.expert_replicas() > 1) one(experts, true);
}

// Several instances of the distributed optimizer each hold all states: their gradient shards are summed.
void GradientSync::sum_over_instances(double dense) {
  const int group = context_.in.paths->shard_group;
  if (!shards_optimizer() || group >= context_.in.gradient_ranks()) return;
  const auto [known, added] = sums_.try_emplace(dense, -1);
  if (added) {
    Collective sum = reduction(dense, false);
    sum.kind = CollectiveKind::all_reduce;
    sum.bytes = sum.bytes / static_cast<double>(group);
    sum.path = replica_path_;
    sum.group = CommGroup::replicas;
    sum.label = "gradients of other instances";
    known->second = context_.writer.work(sum);
  }
  pending_.push_back(context_.writer.emit(known->second, Stream::dp, Phase::gradient_sync, {-1, 0}));
}

int GradientSync::reduction_work(double parameters, bool expert) {
  const auto [known, added] = reductions_.try_emplace({parameters, expert}, -1);
  if (added) known->second = context_.writer.work(reduction(parameters, expert));
  return known->second;
}

int GradientSync::emit_gather(double dense, double experts) {
  StageWriter& writer = context_.writer;
  int last = writer.emit(writer.work(gather(dense, false)), Stream::dp, Phase::parameter_gather, {-1, 0});
  if (experts > 0 && context_.in.expert_replicas() > 1)
    last = writer.emit(writer.work(gather(experts, true)), Stream::dp, Phase::parameter_gather, {-1, 0});
  return last;
}

std::vector<int> GradientSync::emit_parameter_gathers(const ModelChunk& chunk) {
  std::vector<int> gathers;
  for (auto bucket = chunk.buckets.rbegin(); bucket != chunk.buckets.rend(); ++bucket)
    gathers.push_back(emit_gather(bucket->dense_parameters, bucket->expert_parameters));
  return gathers;
}

void GradientSync::emit_step_end(int last_send) {
  StageWriter& writer = context_.writer;
  if (reduces() && !context_.overlaps.grad_reduce && !gathers_units(context_.plan()) && !every_micro_batch())
    emit(parameters_.dense, parameters_.experts);
  int last = -1;
  const auto join = [&](Work w, Stream stream, Phase phase) {
    writer.wait_for_compute();
    writer.wait(last_send);
    writer.wait(last);
    for (int id : std::exchange(pending_, {})) writer.wait(id);
    last = writer.emit(writer.work(std::move(w)), stream, phase, {-1, 0});
  };
  emit_replicated_gradients(join);
  emit_mirrored(join);
  emit_tied_embedding(join);
  if (context_.in.layout->world_size() > 1) {
    Collective norm;
    norm.axis = Axis::dp;
    norm.bytes = Bytes(4);
    norm.path = writer.path(PathKind::world);
    // Post-validated: each stage updates at once and checks later.
    const bool waits = !steps_overlap(context_.plan());
    norm.parties = waits ? context_.shape.stages : 1;
    norm.rendezvous = waits ? gradient_norm_rendezvous : -1;
    norm.group = waits ? CommGroup::world : CommGroup::none;
    norm.label = "gradient norm";
    join(norm, Stream::dp, Phase::gradient_sync);
  }
  emit_optimizer(join);
  if (shards_optimizer() && !context_.overlaps.param_gather) {
    join(gather(parameters_.dense, false), Stream::dp, Phase::parameter_gather);
    if (parameters_.experts > 0 && context_.in.expert_replicas() > 1)
      join(gather(parameters_.experts, true), Stream::dp, Phase::parameter_gather);
  }
  if (context_.in.stack->host_step.value > 0) join(HostIssue{-1}, Stream::host, Phase::host);
}

// With sequence parallelism, gradients of what every TP rank holds (norms, row biases) are summed in one call.
template <class Join>
void GradientSync::emit_replicated_gradients(Join&& join) {
  if (!context_.plan().sequence_parallel || context_.plan().tensor_parallel == 1) return;
  double parameters = 0;
  for (int c = 0; c < context_.shape.chunks; ++c)
    for (const PartUse& use : context_.chunk(c).parts)
      parameters += use.count * context_.model.parts[static_cast<std::size_t>(use.part)].replicated_parameters;
  Collective sum;
  sum.axis = Axis::tp;
  sum.bytes = Bytes(bytes_per_element(context_.overlaps.gradient_type) * parameters);
  sum.path = context_.writer.path({PathKind::tp, 0, false});
  sum.group = CommGroup::tp;
  sum.label = "replicated gradients";
  join(sum, Stream::tp, Phase::gradient_sync);
}

template <class Join>
void GradientSync::emit_tied_embedding(Join&& join) {
  const int stages = context_.shape.stages;
  if (!context_.in.model->tied_embeddings || stages == 1 || context_.schedule.place == nullptr) return;
  // The stages that hold the embedding and the head; both on stage 0 in a V.
  bool first = false, last = false;
  for (int c = 0; c < context_.shape.chunks; ++c) {
    first = first || context_.chunk(c).first;
    last = last || context_.chunk(c).last;
  }
  if (first == last) return;
  Collective sum;
  sum.axis = Axis::pp;
  sum.bytes = Bytes(bytes_per_element(context_.overlaps.gradient_type) *
                    static_cast<double>(vocabulary_parameters(*context_.in.model, context_.plan().tensor_parallel)));
  sum.path = context_.writer.path(PathKind::embedding);
  sum.parties = 2;
  sum.rendezvous = tied_embedding_rendezvous;
  sum.group = CommGroup::embedding;
  sum.label = "tied embedding gradients";
  join(sum, Stream::dp, Phase::gradient_sync);
}

// A bidirectional pipeline holds every parameter on two stages, whose gradients are summed (of the shard, if sharded).
template <class Join>
void GradientSync::emit_mirrored(Join&& join) {
  const int mirror = context_.shape.stages - 1 - context_.stage;
  if (context_.schedule.copies < 2 || mirror == context_.stage) return;
  const double owned = stage_states(context_.in, parameters_).owned;
  Collective sum;
  sum.axis = Axis::pp;
  sum.bytes = Bytes(bytes_per_element(context_.overlaps.gradient_type) * owned);
  sum.path = context_.writer.path(PathKind::mirror);
  sum.parties = 2;
  sum.rendezvous = mirror_rendezvous + std::min(mirror, context_.stage);
  sum.group = CommGroup::mirror;
  sum.label = "gradients of the other copy";
  join(sum, Stream::dp, Phase::gradient_sync);
}

template <class Join>
void GradientSync::emit_optimizer(Join&& join) {
  const StackProfile& stack = *context_.in.stack;
  const Plan& plan = context_.plan();
  const StageStates states = stage_states(context_.in, parameters_);
  const double offloaded =
      plan.optimizer_offload == OffloadTarget::none ? 0.0 : plan.optimizer_offload_fraction * states.owned;
  const Bytes traffic(stack.optimizer_bytes_local * states.processed +
                      stack.optimizer_bytes_owned * (states.owned - offloaded));
  OperatorWork update;
  update.op = Operator{"optimizer", MemoryBound{traffic, MemoryKind::fused, 1}};
  update.phase = Phase::optimizer;
  join(update, Stream::compute, Phase::optimizer);
  if (offloaded <= 0) return;
  const int host = context_.writer.path(PathKind::host);
  join(HostCopy{Bytes(bytes_per_element(context_.overlaps.gradient_type) * offloaded), host, "gradients"},
       Stream::to_host, Phase::offload);
  join(HostUpdate{Bytes(offloaded_update_bytes * offloaded), plan.optimizer_offload == OffloadTarget::nvme},
       Stream::host, Phase::optimizer);
  join(HostCopy{Bytes(parameter_bytes(plan) * offloaded), host, "parameters"}, Stream::from_host, Phase::offload);
}

}  // namespace trainyard
