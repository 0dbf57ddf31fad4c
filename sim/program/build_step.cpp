#include "sim/program/build_step.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

#include "sim/plan/schedule.hpp"
#include "sim/program/gradient_sync.hpp"
#include "sim/program/model_parts.hpp"
#include "sim/program/pipeline_links.hpp"
#include "sim/program/stage_writer.hpp"
#include "sim/program/unit_pass.hpp"

namespace trainyard {
namespace {

constexpr std::size_t instructions_per_slot = 3;  // a block, a send and a receive

const ScheduleRow& schedule_of(const Plan& plan) {
  const ScheduleRow* row = find_schedule(plan.schedule);
  assert(row != nullptr && "check_plan refuses schedules without a builder");
  return *row;
}

PipelineShape pipeline_shape(const StepInputs& in, const ScheduleRow& schedule) {
  const Plan& plan = *in.plan;
  PipelineShape shape;
  shape.costs = in.pass_costs;
  shape.stages = plan.pipeline_parallel;
  shape.chunks = schedule.chunks(plan.virtual_stages);
  shape.micro_batches = std::max(1, plan.global_batch_size / (plan.micro_batch_size * plan.data_parallel));
  shape.group = plan.interleave_group;
  shape.pairs = plan.overlap_expert_parallel;
  return shape;
}

// The first two and the last two slots of every pass and chunk; all where slots run in pairs.
std::vector<Slot> outline_of(const std::vector<Slot>& slots, int chunks) {
  constexpr int kept = 2;
  constexpr std::size_t kinds = 4;
  std::vector<int> left(kinds * static_cast<std::size_t>(chunks)), seen(left.size());
  const auto at = [](const Slot& slot) {
    return kinds * static_cast<std::size_t>(slot.chunk) + static_cast<std::size_t>(slot.kind);
  };
  for (const Slot& slot : slots) {
    if (slot.paired) return slots;
    ++left[at(slot)];
  }
  std::vector<Slot> outline;
  for (const Slot& slot : slots) {
    if (seen[at(slot)] < kept || left[at(slot)] <= kept) outline.push_back(slot);
    ++seen[at(slot)];
    --left[at(slot)];
  }
  return outline;
}

// Stage by stage: parameter gathers, the schedule's slots with their transfers and gradient buckets, the end of the
// step.
class StepBuilder {
 public:
  // `model`: of an outline; nullptr: the whole step with a model of its own.
  StepBuilder(const StepInputs& inputs, Granularity granularity, const StepModel* model)
      : in_(inputs),
        granularity_(granularity),
        outline_(model != nullptr),
        schedule_(schedule_of(*inputs.plan)),
        own_model_(model != nullptr ? StepModel{} : step_model(inputs, schedule_)),
        model_(model != nullptr ? *model : own_model_),
        writer_(program_, model_, *inputs.paths, granularity),
        context_{in_,
                 schedule_,
                 pipeline_shape(inputs, schedule_),
                 overlaps_of(*inputs.plan, *inputs.stack),
                 rank_slice(inputs),
                 model_,
                 writer_},
        links_(context_),
        sync_(context_),
        units_(context_, sync_),
        by_unit_(UnitPasses::needed(*inputs.plan)) {}

  StepProgram build() {
    program_.micro_batches = context_.shape.micro_batches;
    program_.steps_overlap = steps_overlap(*in_.plan);
    program_.works.reserve(64 + 16 * model_.chunks.size());
    program_.segments = std::move(own_model_.segments);
    set_layer_paths();
    for (int stage = 0; stage < context_.shape.stages; ++stage) build_stage(stage);
    return std::move(program_);
  }

 private:
  struct ChunkWorks {
    std::array<std::vector<SegmentUse>, passes> uses;
    std::array<int, passes> work{-1, -1, -1, -1};
    std::array<int, passes> memory{-1, -1, -1, -1};
    std::vector<int> gathers;        // parameters that the first forward waits for, by piece
    std::array<int, passes> left{};  // slots of this pass still to come
  };

  // Groups inside layers are those of the first stage.
  void set_layer_paths() {
    constexpr std::array<PathKind, layer_groups> kinds = {PathKind::tp, PathKind::cp, PathKind::cp_inner, PathKind::ep,
                                                          PathKind::etp};
    for (std::size_t g = 0; g < kinds.size(); ++g) program_.layer_paths[g] = writer_.path({kinds[g], 0, false});
  }

  void build_stage(int stage) {
    context_.stage = stage;
    RankKind& kind = writer_.begin_stage(StageId(stage));
    kind.ranks = in_.layout->world_size() / context_.shape.stages;
    kind.representative = in_.layout->rank({0, 0, 0, stage});
    kind.parameters = stage_parameters(model_, stage).total();
    for (int c = 0; c < context_.shape.chunks; ++c) kind.layers += context_.chunk(c).layers;
    sync_.begin_stage();
    units_.begin_stage();
    pair_works_.clear();
    bucket_works_.clear();
    last_send_ = -1;
    set_resident(kind);
    std::vector<Slot> slots = schedule_.slots(context_.shape, stage);
    if (outline_) slots = outline_of(slots, context_.shape.chunks);
    kind.instructions.reserve(slots.size() * instructions_per_slot + 64);
    kind.after.reserve(slots.size() * instructions_per_slot + 64);
    links_.begin_stage(slots);
    make_chunk_works(slots);
    emit_slots(slots);
    sync_.emit_step_end(last_send_);
  }

  void set_resident(RankKind& kind) {
    const ModelStates states = stage_states(in_, stage_parameters(model_, context_.stage)).bytes;
    const double offloaded =
        in_.plan->optimizer_offload == OffloadTarget::none ? 0.0 : in_.plan->optimizer_offload_fraction;
    StageContents contents{false, false, false};
    for (int c = 0; c < context_.shape.chunks; ++c)
      for (const PartUse& use : context_.chunk(c).parts) {
        const ModelPart& part = model_.parts[static_cast<std::size_t>(use.part)];
        if (part.layer) (part.expert_parameters > 0 ? contents.moe_layers : contents.dense_layers) = true;
        contents.head = contents.head || context_.chunk(c).last;
      }
    const auto set = [&](MemoryOwner owner, Bytes bytes) {
      kind.resident[static_cast<std::size_t>(owner)] = whole_bytes(bytes.value);
    };
    set(MemoryOwner::weights, states.weights + units_.secondary_shards());
    set(MemoryOwner::gradients, states.gradients + units_.unsharded_gradients());
    set(MemoryOwner::optimizer_states, (1.0 - offloaded) * states.optimizer);
    set(MemoryOwner::communication, gather_buffers(*in_.model, context_.slice, *in_.stack));
    set(MemoryOwner::temporary, dummy_wgrad_buffers(*in_.model, contents, context_.slice, *in_.stack));
  }

  bool gathers_input(const Slot& slot) const {
    return model_.gather_input >= 0 && slot.kind != SlotKind::backward_weight && links_.receives(slot.kind, slot.chunk);
  }

  void make_chunk_works(const std::vector<Slot>& slots) {
    works_.assign(static_cast<std::size_t>(context_.shape.chunks), {});
    for (const Slot& slot : slots)
      ++works_[static_cast<std::size_t>(slot.chunk)].left[static_cast<std::size_t>(pass_of(slot.kind))];
    for (int c = 0; c < context_.shape.chunks; ++c) {
      ChunkWorks& w = works_[static_cast<std::size_t>(c)];
      const ModelChunk& chunk = context_.chunk(c);
      for (SlotKind kind :
           {SlotKind::forward, SlotKind::backward, SlotKind::backward_input, SlotKind::backward_weight}) {
        const auto p = static_cast<std::size_t>(pass_of(kind));
        if (w.left[p] == 0) continue;
        const std::vector<PartUse> run = kind == SlotKind::forward ? chunk.parts : reversed(chunk.parts);
        w.uses[p] = model_.uses(run, pass_of(kind));
        if (gathers_input({kind, false, static_cast<std::int16_t>(c), 0}))
          w.uses[p].insert(w.uses[p].begin(), {model_.gather_input, 1});
        w.memory[p] = writer_.memory(model_.memory(run, pass_of(kind)));
        if (granularity_ == Granularity::block && !by_unit_) w.work[p] = writer_.work(Block{w.uses[p], false, {}, {}});
      }
      if (context_.overlaps.param_gather && sync_.shards_optimizer()) w.gathers = sync_.emit_parameter_gathers(chunk);
    }
  }

  // A blocking send stops the next compute.
  void wait_for_blocking() {
    if (context_.overlaps.blocking_p2p) writer_.wait(std::exchange(last_send_, -1));
  }

  void emit_slots(const std::vector<Slot>& slots) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      links_.post_receives(i);
      if (slots[i].paired && !by_unit_) {
        links_.post_receives(i + 1);
        emit_pair(slots[i], slots[i + 1], i);
        ++i;
        continue;
      }
      emit_slot(slots[i], links_.received(i));
    }
  }

  void emit_slot(const Slot& slot, int received) {
    if (slot.kind != SlotKind::backward_weight) wait_for_blocking();
    ChunkWorks& w = works_[static_cast<std::size_t>(slot.chunk)];
    const Pass pass = pass_of(slot.kind);
    const auto p = static_cast<std::size_t>(pass);
    const bool last = --w.left[p] == 0;
    const PassOf of{slot.micro_batch, slot.chunk};
    if (by_unit_) {
      for (int id : std::exchange(w.gathers, {})) writer_.wait(id);
      units_.emit(context_.chunk(slot.chunk), pass, of, received, gathers_input(slot), last);
      if (last) sync_without_units(slot);
    } else if (!w.gathers.empty() && pass == Pass::forward) {
      emit_first_forward(slot, received);
    } else if (completes_gradients(slot, w) && context_.overlaps.grad_reduce && sync_.by_bucket()) {
      writer_.wait(received);
      emit_bucketed(slot, pass);
    } else {
      writer_.wait(received);
      if (w.work[p] >= 0)
        writer_.emit(w.work[p], Stream::compute, phase_of(pass), of, w.memory[p]);
      else
        writer_.emit_compute({w.uses[p], w.memory[p], -1, false, {}}, phase_of(pass), of);
      if (completes_gradients(slot, w)) sync_chunk(slot);
    }
    keep_send(links_.send(slot));
  }

  // Is this slot the last to add to the gradients of its chunk (or, under ZeRO-2, of its micro-batch)?
  bool completes_gradients(const Slot& slot, const ChunkWorks& w) const {
    if (!sync_.reduces() || slot.kind == SlotKind::forward || slot.kind == SlotKind::backward_input) return false;
    if (sync_.every_micro_batch()) return true;
    return w.left[static_cast<std::size_t>(Pass::backward)] == 0 &&
           w.left[static_cast<std::size_t>(Pass::backward_weight)] == 0;
  }

  void sync_chunk(const Slot& slot) {
    const ModelChunk& chunk = context_.chunk(slot.chunk);
    if (!context_.overlaps.grad_reduce && !sync_.every_micro_batch()) return;
    sync_.emit(chunk.dense_parameters, chunk.expert_parameters);
    if (!context_.overlaps.grad_reduce) writer_.wait(sync_.last_pending());
  }
  void sync_without_units(const Slot& slot) {
    const ChunkWorks& w = works_[static_cast<std::size_t>(slot.chunk)];
    if (!gathers_units(*in_.plan) && completes_gradients(slot, w)) sync_chunk(slot);
  }

  void keep_send(int id) {
    if (id >= 0) last_send_ = id;
  }

  // A forward and a backward of different micro-batches as one.
  void emit_pair(const Slot& forward, const Slot& backward, std::size_t index) {
    wait_for_blocking();
    writer_.wait(links_.received(index));
    writer_.wait(links_.received(index + 1));
    ChunkWorks& f = works_[static_cast<std::size_t>(forward.chunk)];
    ChunkWorks& b = works_[static_cast<std::size_t>(backward.chunk)];
    for (int id : std::exchange(f.gathers, {})) writer_.wait(id);
    const Pass pass = pass_of(backward.kind);
    --f.left[static_cast<std::size_t>(Pass::forward)];
    --b.left[static_cast<std::size_t>(pass)];
    const PairWork& pair = pair_work(forward, backward);
    writer_.emit_pair(pair.work, {forward.micro_batch, forward.chunk}, {backward.micro_batch, backward.chunk},
                      pair.memory);
    if (completes_gradients(backward, b)) sync_chunk(backward);
    keep_send(links_.send(forward));
    keep_send(links_.send(backward));
  }

  struct PairWork {
    int forward_chunk, backward_chunk;
    Pass pass;
    int work, memory;
  };
  const PairWork& pair_work(const Slot& forward, const Slot& backward) {
    const Pass pass = pass_of(backward.kind);
    for (const PairWork& known : pair_works_)
      if (known.forward_chunk == forward.chunk && known.backward_chunk == backward.chunk && known.pass == pass)
        return known;
    const ModelChunk& f = context_.chunk(forward.chunk);
    const ModelChunk& b = context_.chunk(backward.chunk);
    MemoryEffect effect = model_.memory(f.parts, Pass::forward);
    const MemoryEffect second = model_.memory(reversed(b.parts), pass);
    effect.at_start += second.at_start;
    effect.temporary = std::max(effect.temporary, second.temporary);
    effect.at_end += second.at_end;
    const int work =
        writer_.work(Block{works_[static_cast<std::size_t>(forward.chunk)].uses[0],
                           false,
                           {},
                           works_[static_cast<std::size_t>(backward.chunk)].uses[static_cast<std::size_t>(pass)]});
    return pair_works_.emplace_back(PairWork{forward.chunk, backward.chunk, pass, work, writer_.memory(effect)});
  }

  // Of every micro-batch where each is reduced (ZeRO-2).
  struct BucketWork {
    int chunk;
    Pass pass;
    std::size_t bucket;
    bool contended;
    std::vector<SegmentUse> uses;
    int work, memory;
  };
  const BucketWork& bucket_work(const Slot& slot, Pass pass, std::size_t b, bool contended) {
    for (const BucketWork& known : bucket_works_)
      if (known.chunk == slot.chunk && known.pass == pass && known.bucket == b && known.contended == contended)
        return known;
    const GradientBucket& bucket = context_.chunk(slot.chunk).buckets[b];
    BucketWork made{slot.chunk, pass, b, contended, model_.uses(bucket.parts, pass), -1, -1};
    if (b == 0 && gathers_input(slot)) made.uses.insert(made.uses.begin(), {model_.gather_input, 1});
    made.memory = writer_.memory(model_.memory(bucket.parts, pass));
    if (granularity_ == Granularity::block) made.work = writer_.work(Block{made.uses, contended, {}, {}});
    return bucket_works_.emplace_back(std::move(made));
  }

  void emit_bucketed(const Slot& slot, Pass pass) {
    const ModelChunk& chunk = context_.chunk(slot.chunk);
    for (std::size_t b = 0; b < chunk.buckets.size(); ++b) {
      const GradientBucket& bucket = chunk.buckets[b];
      const bool contended = b > 0 || sync_.any_emitted();
      const BucketWork& made = bucket_work(slot, pass, b, contended);
      writer_.emit_compute({made.uses, made.memory, made.work, contended, {}}, phase_of(pass),
                           {slot.micro_batch, slot.chunk});
      sync_.emit(bucket.dense_parameters, bucket.expert_parameters);
    }
  }

  // The first forward of a chunk, in pieces that each wait for their parameters.
  void emit_first_forward(const Slot& slot, int received) {
    const ModelChunk& chunk = context_.chunk(slot.chunk);
    const std::vector<int> gathers = std::exchange(works_[static_cast<std::size_t>(slot.chunk)].gathers, {});
    writer_.wait(received);
    for (std::size_t i = 0; i < chunk.buckets.size(); ++i) {
      const std::vector<PartUse> run = reversed(chunk.buckets[chunk.buckets.size() - 1 - i].parts);
      std::vector<SegmentUse> uses = model_.uses(run, Pass::forward);
      if (i == 0 && gathers_input(slot)) uses.insert(uses.begin(), {model_.gather_input, 1});
      writer_.wait(gathers[i]);
      writer_.emit_compute({uses, writer_.memory(model_.memory(run, Pass::forward)), -1, true, {}}, Phase::forward,
                           {slot.micro_batch, slot.chunk});
    }
  }

  const StepInputs in_;
  Granularity granularity_;
  bool outline_;
  const ScheduleRow& schedule_;
  StepModel own_model_;
  const StepModel& model_;
  StepProgram program_;
  StageWriter writer_;
  StageContext context_;
  PipelineLinks links_;
  GradientSync sync_;
  UnitPasses units_;
  bool by_unit_;

  // of the stage being built
  int last_send_ = -1;  // that the next compute or the step's end waits for
  std::vector<ChunkWorks> works_;
  std::vector<PairWork> pair_works_;
  std::vector<BucketWork> bucket_works_;
};

}  // namespace

StepProgram build_step(const StepInputs& inputs, Granularity granularity) {
  return StepBuilder(inputs, granularity, nullptr).build();
}

StepProgram build_outline(const StepInputs& inputs, const StepModel& model) {
  return StepBuilder(inputs, Granularity::block, &model).build();
}

}  // namespace trainyard
