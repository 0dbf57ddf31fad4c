#include "sim/program/build_step.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

#include "models/memory_cost.hpp"
#include "models/parameter_count.hpp"
#include "sim/program/model_chunks.hpp"
#include "sim/program/schedule.hpp"
#include "sim/program/stage_writer.hpp"

namespace trainyard {
namespace {

constexpr double weight_bytes = 2.0;  // 16-bit parameters and pipeline messages

Bytes whole(Bytes b) { return Bytes(std::ceil(b.value)); }

// Stage by stage: parameter gathers, the schedule's slots with their transfers and gradient buckets, the end of the
// step.
class StepBuilder {
 public:
  StepBuilder(const StepInputs& inputs, Granularity granularity)
      : in_(inputs),
        plan_(*inputs.plan),
        model_(*inputs.model),
        stack_(*inputs.stack),
        granularity_(granularity),
        overlaps_(overlaps_of(plan_, stack_)),
        slice_(rank_slice(inputs)),
        shape_{plan_.pipeline_parallel, plan_.virtual_stages,
               std::max(1, plan_.global_batch_size / (plan_.micro_batch_size * plan_.data_parallel))},
        gradient_ranks_(plan_.data_parallel * plan_.context_parallel),
        gathers_(gathers_pipeline_input(inputs)),
        chunks_(model_chunks(inputs)),
        writer_(program_, granularity, segment_memory(inputs)) {}

  StepProgram build() {
    program_.micro_batches = shape_.micro_batches;
    program_.works.reserve(64 + 16 * chunks_.size());
    program_.segments = step_segments(in_);
    writer_.path(in_.paths->stages.front().tp);  // path 0: TP collectives inside segments
    world_path_ = writer_.path(in_.paths->world);
    for (int stage = 0; stage < shape_.stages; ++stage) build_stage(stage);
    return std::move(program_);
  }

 private:
  const ModelChunk& chunk_of(int stage, int chunk) const {
    return chunks_[static_cast<std::size_t>(stage * shape_.chunks + chunk)];
  }
  bool first_of_model(int stage, int chunk) const { return stage == 0 && chunk == 0; }
  bool last_of_model(int stage, int chunk) const { return stage == shape_.stages - 1 && chunk == shape_.chunks - 1; }

  struct ChunkWorks {
    std::vector<SegmentUse> forward, backward;
    int forward_work = -1, backward_work = -1, forward_memory = -1, backward_memory = -1;
  };

  void build_stage(int stage) {
    kind_ = &writer_.begin_stage(StageId(stage));
    stage_ = stage;
    last_send_ = -1;
    kind_->ranks = in_.layout->world_size() / shape_.stages;
    kind_->representative = in_.layout->rank({0, 0, 0, stage});
    reserve_and_resident();
    gradient_path_ = writer_.path(in_.paths->stages[static_cast<std::size_t>(stage)].gradients);
    make_transfers();
    make_chunk_works();
    gathered_.assign(static_cast<std::size_t>(shape_.chunks), {});
    reduced_.clear();
    if (overlaps_.param_gather && sharded_optimizer())
      for (int c = 0; c < shape_.chunks; ++c) emit_parameter_gathers(c);
    const ScheduleRow* row = find_schedule(plan_.schedule);
    assert(row != nullptr && "check_plan refuses schedules without a builder");
    emit_slots(row->slots(shape_, stage));
    emit_step_end();
  }

  void reserve_and_resident() {
    const std::size_t slots = static_cast<std::size_t>(shape_.micro_batches * shape_.chunks);
    kind_->instructions.reserve(slots * 6 + 64);
    kind_->after.reserve(slots * 6 + 64);
    const StageParameters p = stage_parameters(in_, stage_);
    const ModelStates states = model_states(p.total, p.owned, slice_.precision, overlaps_.gradient_type);
    auto& r = kind_->resident;
    r[static_cast<std::size_t>(MemoryOwner::weights)] = whole(states.weights);
    r[static_cast<std::size_t>(MemoryOwner::gradients)] = whole(states.gradients);
    r[static_cast<std::size_t>(MemoryOwner::optimizer_states)] = whole(states.optimizer);
    r[static_cast<std::size_t>(MemoryOwner::communication)] = whole(gather_buffers(model_, slice_, stack_));
    r[static_cast<std::size_t>(MemoryOwner::temporary)] =
        whole(dummy_wgrad_buffers(model_, slice_, stack_, stage_ == shape_.stages - 1));
  }

  // Pipeline messages: the forward channel of stage r leads to r+1, the backward one to r-1, around the ring.
  void make_transfers() {
    if (shape_.stages == 1) return;
    double bytes = weight_bytes * static_cast<double>(slice_.tokens() * model_.hidden);
    if (plan_.sequence_parallel || gathers_) bytes /= plan_.tensor_parallel;
    const int previous = (stage_ + shape_.stages - 1) % shape_.stages;
    const int next = (stage_ + 1) % shape_.stages;
    const int to_next = writer_.path(in_.paths->stages[static_cast<std::size_t>(stage_)].next_stage);
    const int from_previous = writer_.path(in_.paths->stages[static_cast<std::size_t>(previous)].next_stage);
    send_forward_ = writer_.work(Send{Bytes(bytes), to_next, stage_});
    receive_forward_ = writer_.work(Receive{Bytes(bytes), from_previous, previous});
    send_backward_ = writer_.work(Send{Bytes(bytes), from_previous, shape_.stages + stage_});
    receive_backward_ = writer_.work(Receive{Bytes(bytes), to_next, shape_.stages + next});
  }

  void make_chunk_works() {
    works_.assign(static_cast<std::size_t>(shape_.chunks), {});
    for (int c = 0; c < shape_.chunks; ++c) {
      ChunkWorks& w = works_[static_cast<std::size_t>(c)];
      const ModelChunk& chunk = chunk_of(stage_, c);
      w.forward = chunk.forward();
      w.backward = chunk.backward();
      if (gathers_ && !first_of_model(stage_, c)) w.forward.insert(w.forward.begin(), {gather_input, 1});
      if (gathers_ && !last_of_model(stage_, c)) w.backward.insert(w.backward.begin(), {gather_input, 1});
      w.forward_memory = writer_.memory(chunk.layers, chunk.head, Phase::forward);
      w.backward_memory = writer_.memory(chunk.layers, chunk.head, Phase::backward);
      if (granularity_ != Granularity::block) continue;
      w.forward_work = writer_.work(Block{w.forward, false});
      w.backward_work = writer_.work(Block{w.backward, false});
    }
  }

  bool sharded_optimizer() const { return plan_.data_parallel_kind == DataParallelKind::zero1 && gradient_ranks_ > 1; }

  // A blocking send stops the next compute.
  void wait_for_blocking() {
    if (overlaps_.blocking_p2p) writer_.wait(std::exchange(last_send_, -1));
  }

  // The next forward's and the next backward's receives are posted ahead of a slot's compute, so that no peer's send
  // waits behind it.
  void emit_slots(const std::vector<Slot>& slots) {
    std::vector<int> received(slots.size(), -1);
    std::size_t forward_end = 0, backward_end = 0;  // slots below it of that kind have their receive
    const auto post_until_ahead_of = [&](std::size_t now, SlotKind kind, std::size_t& end) {
      for (; end < slots.size() && (end == 0 || end - 1 <= now || slots[end - 1].kind != kind); ++end)
        if (slots[end].kind == kind) received[end] = emit_receive(slots[end]);
    };
    for (std::size_t i = 0; i < slots.size(); ++i) {
      post_until_ahead_of(i, SlotKind::forward, forward_end);
      post_until_ahead_of(i, SlotKind::backward, backward_end);
      if (slots[i].kind == SlotKind::forward) emit_forward(slots[i], received[i]);
      if (slots[i].kind == SlotKind::backward) emit_backward(slots[i], received[i]);
    }
  }

  int emit_receive(const Slot& slot) {
    if (shape_.stages == 1) return -1;
    if (slot.kind == SlotKind::forward && !first_of_model(stage_, slot.chunk))
      return writer_.emit(receive_forward_, Stream::receive_forward, Phase::forward, slot.micro_batch, slot.chunk);
    if (slot.kind == SlotKind::backward && !last_of_model(stage_, slot.chunk))
      return writer_.emit(receive_backward_, Stream::receive_backward, Phase::backward, slot.micro_batch, slot.chunk);
    return -1;
  }

  void emit_forward(const Slot& slot, int received) {
    wait_for_blocking();
    writer_.wait(received);
    ChunkWorks& w = works_[static_cast<std::size_t>(slot.chunk)];
    std::vector<int>& gathers = gathered_[static_cast<std::size_t>(slot.chunk)];
    if (slot.micro_batch == 0 && !gathers.empty()) {
      emit_first_forward(slot, gathers);
    } else {
      writer_.emit_compute(w.forward, Phase::forward, slot, false, w.forward_memory, w.forward_work);
    }
    if (!last_of_model(stage_, slot.chunk) && shape_.stages > 1)
      emit_send(send_forward_, Stream::send_forward, Phase::forward, slot);
  }

  void emit_send(int work_index, Stream stream, Phase phase, const Slot& slot) {
    writer_.wait_for_compute();
    last_send_ = writer_.emit(work_index, stream, phase, slot.micro_batch, slot.chunk);
  }

  void emit_backward(const Slot& slot, int received) {
    wait_for_blocking();
    writer_.wait(received);
    ChunkWorks& w = works_[static_cast<std::size_t>(slot.chunk)];
    const bool last = slot.micro_batch == shape_.micro_batches - 1;
    if (last && gradient_ranks_ > 1 && overlaps_.grad_reduce && reduces_by_bucket()) {
      emit_bucketed_backward(slot);
    } else {
      writer_.emit_compute(w.backward, Phase::backward, slot, false, w.backward_memory, w.backward_work);
      if (last && gradient_ranks_ > 1 && overlaps_.grad_reduce)
        emit_gradient_sync(chunk_of(stage_, slot.chunk).parameters);
    }
    if (!first_of_model(stage_, slot.chunk) && shape_.stages > 1)
      emit_send(send_backward_, Stream::send_backward, Phase::backward, slot);
  }

  // Megatron enables bucket-wise overlap on every stage of an interleaved pipeline, on stage 0 alone otherwise (the
  // later stages reduce in their cool-down bubble).
  bool reduces_by_bucket() const { return shape_.chunks > 1 || stage_ == 0 || shape_.stages == 1; }

  void emit_bucketed_backward(const Slot& slot) {
    const ModelChunk& chunk = chunk_of(stage_, slot.chunk);
    const bool gathers = gathers_ && !last_of_model(stage_, slot.chunk);
    for (std::size_t b = 0; b < chunk.buckets.size(); ++b) {
      std::vector<SegmentUse> uses = chunk.buckets[b];
      const int effect = granularity_ == Granularity::block ? piece_memory(uses, Phase::backward) : -1;
      if (b == 0 && gathers) uses.insert(uses.begin(), {gather_input, 1});
      writer_.emit_compute(uses, Phase::backward, slot, b > 0 || !reduced_.empty(), effect);
      emit_gradient_sync(chunk.bucket_parameters[b]);
    }
  }

  int piece_memory(const std::vector<SegmentUse>& uses, Phase phase) {
    int layers = 0;
    bool head = false;
    for (const SegmentUse& use : uses) {
      if (use.segment == layer_b || use.segment == layer_f) layers += use.repeat;
      head = head || use.segment == head_b || use.segment == head_f;
    }
    return writer_.memory(layers, head, phase);
  }

  void emit_gradient_sync(double parameters) {
    const bool sharded = sharded_optimizer();
    Collective c{Axis::dp,
                 sharded ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce,
                 Bytes(bytes_per_element(overlaps_.gradient_type) * parameters),
                 1.0,
                 gradient_path_,
                 1,
                 -1,
                 "gradients",
                 sharded ? stack_.distributed_optimizer_factor : 1.0,
                 -1,
                 -1};
    writer_.wait_for_compute();
    reduced_.push_back(writer_.emit(writer_.work(c), Stream::dp, Phase::gradient_sync, -1, 0));
  }

  Collective parameter_gather(double parameters) {
    return {Axis::dp,
            CollectiveKind::all_gather,
            Bytes(weight_bytes * parameters),
            1.0,
            gradient_path_,
            1,
            -1,
            "parameters",
            stack_.distributed_optimizer_factor,
            -1,
            -1};
  }
  // Gathers run bucket by bucket from the start of the step, in forward order.
  void emit_parameter_gathers(int c) {
    const ModelChunk& chunk = chunk_of(stage_, c);
    for (auto parameters = chunk.bucket_parameters.rbegin(); parameters != chunk.bucket_parameters.rend(); ++parameters)
      gathered_[static_cast<std::size_t>(c)].push_back(
          writer_.emit(writer_.work(parameter_gather(*parameters)), Stream::dp, Phase::parameter_gather, -1, c));
  }

  static int forward_segment(int backward_segment) {
    return backward_segment == layer_b ? layer_f : backward_segment == head_b ? head_f : embed_f;
  }

  // The first forward of a chunk, in pieces that each wait for their parameters.
  void emit_first_forward(const Slot& slot, const std::vector<int>& gathers) {
    const ModelChunk& chunk = chunk_of(stage_, slot.chunk);
    for (std::size_t i = 0; i < chunk.buckets.size(); ++i) {
      const std::vector<SegmentUse>& bucket = chunk.buckets[chunk.buckets.size() - 1 - i];
      std::vector<SegmentUse> uses;
      if (i == 0 && gathers_ && !first_of_model(stage_, slot.chunk)) uses.push_back({gather_input, 1});
      for (auto use = bucket.rbegin(); use != bucket.rend(); ++use)
        uses.push_back({forward_segment(use->segment), use->repeat});
      const int effect = granularity_ == Granularity::block ? piece_memory(uses, Phase::forward) : -1;
      writer_.wait(gathers[i]);
      writer_.emit_compute(uses, Phase::forward, slot, true, effect);
    }
  }

  void emit_step_end() {
    if (gradient_ranks_ > 1 && !overlaps_.grad_reduce) {
      double parameters = 0;
      for (int c = 0; c < shape_.chunks; ++c) parameters += chunk_of(stage_, c).parameters;
      emit_gradient_sync(parameters);
    }
    int last = -1;
    const auto join = [&](Work w, Stream stream, Phase phase) {
      writer_.wait_for_compute();
      writer_.wait(last_send_);
      writer_.wait(last);
      for (int id : std::exchange(reduced_, {})) writer_.wait(id);
      last = writer_.emit(writer_.work(std::move(w)), stream, phase, -1, 0);
    };
    emit_replicated_gradients(join);
    if (model_.tied_embeddings && shape_.stages > 1 && (stage_ == 0 || stage_ == shape_.stages - 1)) {
      const double bytes = bytes_per_element(overlaps_.gradient_type) *
                           static_cast<double>(vocabulary_parameters(model_, plan_.tensor_parallel));
      join(Collective{Axis::pp, CollectiveKind::all_reduce, Bytes(bytes), 1.0, writer_.path(in_.paths->embedding), 2, 0,
                      "tied embedding gradients", 1.0, -1, -1},
           Stream::dp, Phase::gradient_sync);
    }
    if (in_.layout->world_size() > 1)
      join(Collective{Axis::dp, CollectiveKind::all_reduce, Bytes(4), 1.0, world_path_, shape_.stages, 1,
                      "gradient norm", 1.0, -1, -1},
           Stream::dp, Phase::gradient_sync);
    const StageParameters p = stage_parameters(in_, stage_);
    const Bytes traffic(stack_.optimizer_bytes_local * p.total + stack_.optimizer_bytes_owned * p.owned);
    join(OperatorWork{Operator{"optimizer", MemoryBound{traffic, MemoryKind::fused, 1}}, Phase::optimizer, -1, -1,
                      false},
         Stream::compute, Phase::optimizer);
    if (sharded_optimizer() && !overlaps_.param_gather)
      join(parameter_gather(p.total), Stream::dp, Phase::parameter_gather);
    if (stack_.host_step.value > 0) join(HostIssue{-1}, Stream::host, Phase::host);
  }

  // With sequence parallelism, gradients of what every TP rank holds (norms, row biases) are summed in one call.
  template <class Join>
  void emit_replicated_gradients(Join&& join) {
    if (!plan_.sequence_parallel || plan_.tensor_parallel == 1) return;
    double layers = 0;
    for (int c = 0; c < shape_.chunks; ++c) layers += chunk_of(stage_, c).layers;
    const double parameters =
        layers * static_cast<double>(layer_parameters(model_, false, plan_.tensor_parallel).replicated);
    join(
        Collective{Axis::tp, CollectiveKind::all_reduce, Bytes(bytes_per_element(overlaps_.gradient_type) * parameters),
                   1.0, 0, 1, -1, "replicated gradients", 1.0, -1, -1},
        Stream::tp, Phase::gradient_sync);
  }

  const StepInputs& in_;
  const Plan& plan_;
  const ModelShape& model_;
  const StackProfile& stack_;
  Granularity granularity_;
  Overlaps overlaps_;
  RankSlice slice_;
  PipelineShape shape_;
  int gradient_ranks_;
  bool gathers_;
  std::vector<ModelChunk> chunks_;  // [stage][chunk]
  StepProgram program_;
  StageWriter writer_;
  int world_path_ = 0;

  // of the stage being built
  RankKind* kind_ = nullptr;
  int stage_ = 0;
  int last_send_ = -1;
  int gradient_path_ = 0;
  int send_forward_ = -1, receive_forward_ = -1, send_backward_ = -1, receive_backward_ = -1;
  std::vector<ChunkWorks> works_;
  std::vector<std::vector<int>> gathered_;  // [chunk] parameter gathers, forward order
  std::vector<int> reduced_;                // gradient syncs not yet waited for
};

}  // namespace

StepProgram build_step(const StepInputs& inputs, Granularity granularity) {
  return StepBuilder(inputs, granularity).build();
}

}  // namespace trainyard
