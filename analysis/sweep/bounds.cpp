#include "analysis/sweep/bounds.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "analysis/memory_ledger.hpp"
#include "analysis/sweep/skeleton.hpp"
#include "sim/plan/schedule.hpp"
#include "sim/program/stage_context.hpp"

namespace trainyard {
namespace {

// Structures of one grid differ in a few dozen models, and follow each other.
constexpr std::size_t most_models = 48;
constexpr std::size_t most_orders = 16;

constexpr double unit_compute_bytes = 2;  // gathered parameters and unsharded gradients, 16 bit

// What the parts of a model do not depend on, at its default.
Plan model_key(const Plan& plan) {
  const Plan usual;
  Plan key = plan;
  key.rank_order = usual.rank_order;
  key.placement = usual.placement;
  key.explicit_placement = {};
  key.placement_devices = {};
  key.free_rank_order = usual.free_rank_order;
  key.global_batch_size = usual.global_batch_size;
  key.data_parallel_kind = usual.data_parallel_kind;
  key.overlap_grad_reduce = usual.overlap_grad_reduce;
  key.overlap_param_gather = usual.overlap_param_gather;
  key.overlap_p2p = usual.overlap_p2p;
  return key;
}

}  // namespace

struct Bounds::Priced {
  bool sharded = false;
  std::vector<TierPath> layer_paths;
  std::vector<SegmentTimes> segments;
  std::vector<StageTime> stages;
};

struct Bounds::Model {
  Plan key;
  int cp_inner = 1, ep_nodes = 1;
  StepModel parts;

  std::deque<Priced> priced;
};

// How the passes of a schedule follow each other.
struct Bounds::Order {
  std::string schedule;
  int stages = 0, chunks = 0, micro_batches = 0, group = 0;
  bool pairs = false;

  bool hides = false;                     // some passes run as one
  bool enters_by_first_chunks = false;    // chunk 0 of stage after stage, and out the same way
  std::vector<int> first_backward;        // [stage] its chunk; empty: not known
  std::vector<std::vector<int>> warm_up;  // [stage][chunk] forwards before the first backward; empty: not known
};

Bounds::Bounds() = default;
Bounds::~Bounds() = default;

Bounds::Model* Bounds::model_of(const StepInputs& in) {
  Plan key = model_key(*in.plan);
  for (const std::unique_ptr<Model>& m : models_)
    if (m->cp_inner == in.paths->cp_inner && m->ep_nodes == in.paths->ep_nodes && m->key == key) return m.get();
  if (models_.size() == most_models) models_.pop_back();
  auto model = std::make_unique<Model>();
  model->parts = step_model(in, *find_schedule(in.plan->schedule));
  model->key = std::move(key);
  model->cp_inner = in.paths->cp_inner;
  model->ep_nodes = in.paths->ep_nodes;
  models_.push_front(std::move(model));
  return models_.front().get();
}

const Bounds::Order& Bounds::order_of(const StepInputs& in, int micro_batches) {
  const Plan& plan = *in.plan;
  const ScheduleRow& schedule = *find_schedule(plan.schedule);
  const int chunks = schedule.chunks(plan.virtual_stages);
  for (const std::unique_ptr<Order>& o : orders_)
    if (o->schedule == plan.schedule && o->stages == plan.pipeline_parallel && o->chunks == chunks &&
        o->micro_batches == micro_batches && o->group == plan.interleave_group &&
        o->pairs == plan.overlap_expert_parallel)
      return *o;
  if (orders_.size() == most_orders) orders_.pop_back();
  auto order = std::make_unique<Order>(Order{plan.schedule,
                                             plan.pipeline_parallel,
                                             chunks,
                                             micro_batches,
                                             plan.interleave_group,
                                             plan.overlap_expert_parallel,
                                             false,
                                             false,
                                             {},
                                             {}});
  const PipelineShape shape{order->stages, chunks, micro_batches, plan.interleave_group, order->pairs, {}};
  order->hides = order->pairs || schedule.copies > 1;
  order->enters_by_first_chunks = true;
  for (int s = 0; s < order->stages; ++s) {
    order->enters_by_first_chunks = order->enters_by_first_chunks && schedule.place(shape, s, 0) == ChunkPlace{s, 0};
    if (schedule.plans_ahead) continue;
    std::vector<int>& forwards = order->warm_up.emplace_back(static_cast<std::size_t>(chunks), 0);
    bool warming_up = true;
    for (const Slot& slot : schedule.slots(shape, s)) {
      order->hides = order->hides || slot.paired;
      warming_up = warming_up && slot.kind == SlotKind::forward;
      if (warming_up) ++forwards[static_cast<std::size_t>(slot.chunk)];
      if (slot.kind != SlotKind::forward && order->first_backward.size() == static_cast<std::size_t>(s))
        order->first_backward.push_back(slot.chunk);
    }
  }
  orders_.push_front(std::move(order));
  return *orders_.front();
}

void Bounds::about(const StepInputs& inputs, int micro_batches) {
  inputs_ = inputs;
  micro_batches_ = micro_batches;
  model_ = model_of(inputs);
  order_ = &order_of(inputs, shortened(*inputs.plan, micro_batches).outline);
}

// Beside the states and what the forwards left: the working set of some part, with the gathered parameters and the
// unsharded gradients of a layer where these live in shards.
Bytes Bounds::first_backward_needs(const ModelChunk& chunk) const {
  const Plan& plan = *inputs_.plan;
  const Sharding& sharding = plan.sharding;
  const bool unsharded = gathers_units(plan) && inputs_.gradient_ranks() > 1 && !inputs_.model->moe &&
                         sharding.reshard_after_forward.value_or(true) && sharding.reshard_group <= 1 &&
                         sharding.secondary_group <= 1;
  const bool splits = find_schedule(plan.schedule)->splits_backward;
  const Pass pass = splits ? Pass::backward_input : Pass::backward;
  Bytes most{}, freed{};
  for (auto use = chunk.parts.rbegin(); use != chunk.parts.rend(); ++use) {
    const ModelPart& part = model_->parts.parts[static_cast<std::size_t>(use->part)];
    const MemoryEffect& effect = part.memory[static_cast<std::size_t>(pass)];
    Bytes needed = effect.temporary + freed;
    if (part.layer && unsharded) needed += Bytes(unit_compute_bytes * part.dense_parameters);
    if (part.layer && unsharded && !splits && sharding.sync_every_micro_batch)
      needed += Bytes(unit_compute_bytes * part.dense_parameters);
    most = std::max(most, needed);
    freed += use->count * effect.at_end;
  }
  return most;
}

LeastMemory Bounds::memory(const Profile& profile) const {
  const StepModel& parts = model_->parts;
  const Plan& plan = *inputs_.plan;
  const double kept = plan.optimizer_offload == OffloadTarget::none ? 1.0 : 1.0 - plan.optimizer_offload_fraction;
  LeastMemory least;
  for (int s = 0; s < order_->stages; ++s) {
    const ModelStates states = stage_states(inputs_, stage_parameters(parts, s)).bytes;
    const Bytes resident = states.weights + states.gradients + kept * states.optimizer;
    Bytes peak = resident + profile.device.blas_workspace;
    // Copies to the host free activations on their own time.
    if (plan.activation_offload_layers == 0)
      for (int c = 0; c < order_->chunks; ++c) {
        const bool known = !order_->warm_up.empty();
        const int forwards = known    ? order_->warm_up[static_cast<std::size_t>(s)][static_cast<std::size_t>(c)]
                             : c == 0 ? 1
                                      : 0;
        peak += static_cast<double>(forwards) * parts.memory(parts.chunk(s, c).parts, Pass::forward).at_start;
      }
    if (!order_->hides && plan.activation_offload_layers == 0 && !order_->first_backward.empty())
      peak += first_backward_needs(parts.chunk(s, order_->first_backward[static_cast<std::size_t>(s)]));
    least.peak = std::max(least.peak, peak);
    least.reserved = std::max(least.reserved, reserved_for(resident, peak, profile.stack));
  }
  return least;
}

// Parameters that are gathered for every forward and backward, and gradients that every backward reduces: one after the
// other on one stream. 0 where a plan does it in another way.
Seconds Bounds::unit_traffic(const PricingContext& context, const CommunicationPaths& paths) const {
  const Plan& plan = *inputs_.plan;
  const Sharding& sharding = plan.sharding;
  if (!gathers_units(plan) || inputs_.gradient_ranks() <= 1 || !sharding.reshard_after_forward.value_or(true) ||
      !sharding.sync_every_micro_batch || sharding.secondary_group > 1 || sharding.reshard_group > 1 ||
      sharding.quantized_weights || sharding.quantized_gradients)
    return Seconds(0);
  const StackProfile& stack = *inputs_.stack;
  const double slowdown = stack.gather_efficiency > 0 ? 1.0 / stack.gather_efficiency : 1.0;
  const double gathered = parameter_bytes(plan), reduced = bytes_per_element(unit_reduce_type(plan, stack));
  Seconds longest{};
  for (int s = 0; s < order_->stages; ++s) {
    const TierPath path = path_at(paths, {PathKind::shard, s, stack.single_rail_sharding});
    Seconds sum{};
    for (int c = 0; c < order_->chunks; ++c)
      for (const PartUse& use : model_->parts.chunk(s, c).parts) {
        const ModelPart& part = model_->parts.parts[static_cast<std::size_t>(use.part)];
        if (!part.layer || part.dense_parameters <= 0) continue;
        const Seconds gather = collective_time(CollectiveKind::all_gather, Bytes(gathered * part.dense_parameters),
                                               path, context, Bytes(-1));
        const Seconds reduce = collective_time(CollectiveKind::reduce_scatter, Bytes(reduced * part.dense_parameters),
                                               path, context, Bytes(-1));
        sum += use.count * slowdown * (2.0 * gather + reduce);
      }
    longest = std::max(longest, sum);
  }
  return static_cast<double>(micro_batches_) * longest;
}

const StepModel& Bounds::parts() const { return model_->parts; }

const std::vector<SegmentTimes>& Bounds::segments(const PricingContext& context, const CommunicationPaths& paths) {
  return priced(context, paths).segments;
}

Bounds::Priced& Bounds::priced(const PricingContext& context, const CommunicationPaths& paths) {
  const StagePaths& p = paths.stages.front();
  std::vector<TierPath> layer_paths = {p.tp, p.cp, p.cp_inner, p.ep, p.etp};
  for (Priced& known : model_->priced)
    if (known.sharded == context.sharded && known.layer_paths == layer_paths) return known;
  StepProgram program;
  program.segments = model_->parts.segments;
  for (int g = 0; g < layer_groups; ++g) program.layer_paths[static_cast<std::size_t>(g)] = g;
  PricingContext own = context;
  own.paths = &layer_paths;
  Priced made{context.sharded, {}, price_segments(program, own), {}};
  made.layer_paths = std::move(layer_paths);
  for (int s = 0; s < order_->stages; ++s) made.stages.push_back(stage_time(made.segments, s));
  return model_->priced.emplace_back(std::move(made));
}

StageTime Bounds::stage_time(const std::vector<SegmentTimes>& segments, int stage) const {
  const StepModel& parts = model_->parts;
  const bool splits = find_schedule(inputs_.plan->schedule)->splits_backward;
  StageTime time;
  for (int c = 0; c < order_->chunks; ++c) {
    const auto time_of = [&](Pass pass) {
      Seconds sum{};
      for (const SegmentUse& use : parts.uses(parts.chunk(stage, c).parts, pass))
        sum += use.repeat * segments[static_cast<std::size_t>(use.segment)].price.duration;
      return sum;
    };
    const Seconds forward = time_of(Pass::forward);
    const Seconds backward =
        splits ? time_of(Pass::backward_input) + time_of(Pass::backward_weight) : time_of(Pass::backward);
    time.per_micro_batch += forward + backward;
    if (c == 0) time.forward = forward, time.backward = backward;
  }
  return time;
}

Seconds Bounds::time(const PricingContext& context, const CommunicationPaths& paths) {
  if (order_->hides) return Seconds(0);
  const bool splits = find_schedule(inputs_.plan->schedule)->splits_backward;
  const bool fills = order_->enters_by_first_chunks && !steps_overlap(*inputs_.plan);
  Seconds bound{}, filled{}, drained{};
  for (const StageTime& stage : priced(context, paths).stages) {
    bound = std::max(bound, filled + static_cast<double>(micro_batches_) * stage.per_micro_batch + drained);
    if (!fills) continue;
    filled += stage.forward;
    if (!splits) drained += stage.backward;
  }
  bound = std::max(bound, unit_traffic(context, paths));
  // Sums in another order than the engine's may round the other way.
  return (1.0 - 1e-9) * bound;
}

}  // namespace trainyard
