// Longer than most: one builder emits the whole step, so that the order of a rank's instructions is read in one place.
#include "sim/program/build_step.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <utility>

#include "models/memory_cost.hpp"
#include "models/parameter_count.hpp"
#include "sim/program/schedule.hpp"

namespace trainyard {
namespace {

constexpr double weight_bytes = 2.0;  // 16-bit parameters

enum SegmentIndex { layer_f, layer_b, embed_f, embed_b, head_f, head_b, gather_input, segment_count };

RecomputeKind recompute_of(Recompute r) {
  switch (r) {
    case Recompute::none: return RecomputeKind::none;
    case Recompute::selective: return RecomputeKind::selective;
    case Recompute::full: return RecomputeKind::full;
  }
  return RecomputeKind::none;
}

Bytes whole(Bytes b) { return Bytes(std::ceil(b.value)); }

// One model chunk of a stage: what it holds and the works that stand for it.
struct Chunk {
  int layers = 0;
  bool embedding = false;
  bool head = false;
  double parameters = 0;
  std::vector<std::vector<SegmentUse>> buckets;  // backward pieces, in backward order
  std::vector<double> bucket_parameters;
};

class StepBuilder {
 public:
  StepBuilder(const StepInputs& inputs, Granularity granularity)
      : in_(inputs),
        plan_(*inputs.plan),
        model_(*inputs.model),
        stack_(*inputs.stack),
        granularity_(granularity),
        overlaps_(overlaps_of(plan_, stack_)),
        recompute_(recompute_of(plan_.recompute)),
        slice_{plan_.micro_batch_size, inputs.workload->sequence_length, plan_.tensor_parallel, plan_.sequence_parallel,
               inputs.workload->precision} {
    const int replicas = plan_.data_parallel * plan_.context_parallel;
    shape_ = {plan_.pipeline_parallel, plan_.virtual_stages,
              std::max(1, plan_.global_batch_size / (plan_.micro_batch_size * plan_.data_parallel))};
    gradient_ranks_ = replicas;
  }

  StepProgram build() {
    program_.micro_batches = shape_.micro_batches;
    program_.works.reserve(64 + 16 * static_cast<std::size_t>(shape_.stages * shape_.chunks));
    make_segments();
    make_memory();
    make_chunks();
    world_path_ = path(in_.paths->world);
    for (int stage = 0; stage < shape_.stages; ++stage) build_stage(stage);
    return std::move(program_);
  }

 private:
  // ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────
  void make_segments() {
    auto& s = program_.segments;
    s.resize(segment_count);
    const bool again = recompute_ == RecomputeKind::full;
    s[layer_f] = {"layer forward", layer_forward(model_, slice_, stack_), Phase::forward, 1, false};
    s[layer_b] = {"layer backward", layer_backward(model_, slice_, stack_, recompute_), Phase::backward, 1, again};
    s[embed_f] = {"embedding forward", embedding_forward(model_, slice_, stack_), Phase::forward, 0, false};
    s[embed_b] = {"embedding backward", embedding_backward(model_, slice_, stack_), Phase::backward, 0, false};
    s[head_f] = {"head forward", head_forward(model_, slice_, stack_), Phase::forward, 0, false};
    s[head_b] = {"head backward", head_backward(model_, slice_, stack_), Phase::backward, 0, false};
    s[gather_input] = {"gather pipeline input", {}, Phase::forward, 0, false};
    if (gathers_input()) {
      const double bytes = weight_bytes * static_cast<double>(slice_.tokens() * model_.hidden);
      s[gather_input].steps.push_back({TpCollective{CollectiveKind::all_gather, Bytes(bytes), 1.0}, -1});
    }
    path(in_.paths->stages.front().tp);  // path 0: TP collectives inside segments
  }
  bool gathers_input() const {
    return stack_.p2p_scatter_gather && !plan_.sequence_parallel && plan_.tensor_parallel > 1 && shape_.stages > 1;
  }

  void make_memory() {
    saved_layer_ = whole(layer_activations(model_, slice_, stack_, recompute_));
    saved_head_ = whole(head_activations(model_, slice_, stack_));
    working_set_ = whole(backward_working_set(model_, slice_, stack_, recompute_));
  }

  void make_chunks() {
    const int t = plan_.tensor_parallel;
    layer_parameters_ = static_cast<double>(layer_parameters(model_, false, t).total());
    embedding_parameters_ = static_cast<double>(vocabulary_parameters(model_, t) + position_parameters(model_));
    const double tied_copy = static_cast<double>(vocabulary_parameters(model_, t));
    head_parameters_ = static_cast<double>(final_norm_parameters(model_)) +
                       (model_.tied_embeddings && shape_.stages == 1 ? 0.0 : tied_copy);
    for (int stage = 0; stage < shape_.stages; ++stage)
      for (int c = 0; c < shape_.chunks; ++c) {
        const int model_stage = c * shape_.stages + stage;
        Chunk chunk;
        chunk.layers = plan_.layers_per_chunk[static_cast<std::size_t>(model_stage)];
        chunk.embedding = model_stage == 0;
        chunk.head = model_stage == shape_.stages * shape_.chunks - 1;
        chunk.parameters = chunk.layers * layer_parameters_ + (chunk.embedding ? embedding_parameters_ : 0) +
                           (chunk.head ? head_parameters_ : 0);
        fill_buckets(chunk);
        chunks_.push_back(std::move(chunk));
      }
  }

  // Gradient buckets in backward order; a bucket closes with the segment that fills it.
  void fill_buckets(Chunk& chunk) const {
    const double limit = trainyard::bucket_parameters(gradient_ranks_);
    std::vector<SegmentUse> piece;
    double filled = 0;
    const auto add = [&](int segment, double parameters) {
      if (!piece.empty() && piece.back().segment == segment)
        ++piece.back().repeat;
      else
        piece.push_back({segment, 1});
      filled += parameters;
      if (filled < limit) return;
      chunk.buckets.push_back(std::exchange(piece, {}));
      chunk.bucket_parameters.push_back(std::exchange(filled, 0.0));
    };
    if (chunk.head) add(head_b, head_parameters_);
    for (int i = 0; i < chunk.layers; ++i) add(layer_b, layer_parameters_);
    if (chunk.embedding) add(embed_b, embedding_parameters_);
    if (!piece.empty()) {
      chunk.buckets.push_back(piece);
      chunk.bucket_parameters.push_back(filled);
    }
  }

  int path(const std::vector<Tier>& tiers) {
    for (std::size_t i = 0; i < program_.paths.size(); ++i)
      if (program_.paths[i] == tiers) return static_cast<int>(i);
    program_.paths.push_back(tiers);
    return static_cast<int>(program_.paths.size()) - 1;
  }
  int work(Work w) {
    program_.works.push_back(std::move(w));
    return static_cast<int>(program_.works.size()) - 1;
  }
  int memory(std::vector<MemoryChange> changes) {
    program_.memory_changes.push_back(std::move(changes));
    return static_cast<int>(program_.memory_changes.size()) - 1;
  }

  // ── emission ────────────────────────────────────────────────────────────────────────────────────────────────────
  int emit(int work_index, Stream stream, Phase phase, int micro_batch, int chunk, int memory_index = -1) {
    Instruction i;
    i.work = work_index;
    i.memory = memory_index;
    i.after_begin = waits_begin_;
    i.after_count = static_cast<std::int32_t>(kind_->after.size()) - waits_begin_;
    waits_begin_ += i.after_count;
    i.micro_batch = micro_batch;
    i.chunk = static_cast<std::int16_t>(chunk);
    i.stream = stream;
    i.phase = phase;
    kind_->instructions.push_back(i);
    const int id = static_cast<int>(kind_->instructions.size()) - 1;
    if (stream == Stream::compute) last_compute_ = id;
    if (stream == Stream::tp) last_tp_ = id;
    return id;
  }
  // The next instruction waits for `id`; -1 is nothing.
  void wait(int id) {
    if (id >= 0) kind_->after.emplace_back(id);
  }
  // All compute emitted so far, with the TP collectives and host floor that belong to it.
  void wait_for_compute() {
    wait(last_compute_);
    if (granularity_ != Granularity::operator_) return;
    wait(last_tp_);
    wait(pending_host_);
  }

  // A run of segments as one block, as layers or as operators; the first instruction waits for what was asked.
  void emit_compute(const std::vector<SegmentUse>& uses, Phase phase, const Slot& slot, bool contended, int memory_index,
                    int cached_work = -1) {
    if (granularity_ == Granularity::block) {
      emit(cached_work >= 0 ? cached_work : work(Block{uses, contended}), Stream::compute, phase, slot.micro_batch, slot.chunk, memory_index);
      return;
    }
    for (const SegmentUse& use : uses)
      for (int i = 0; i < use.repeat; ++i) {
        const int effect = segment_memory(use.segment, phase);
        if (granularity_ == Granularity::layer)
          emit(segment_work(use.segment, contended), Stream::compute, phase, slot.micro_batch, slot.chunk, effect);
        else
          emit_operators(use.segment, phase, slot, contended, effect);
      }
  }

  int segment_work(int segment, bool contended) {
    int& cached = segment_works_[static_cast<std::size_t>(segment)][contended ? 1 : 0];
    if (cached < 0) cached = work(Block{{{segment, 1}}, contended});
    return cached;
  }

  // What one segment saves (forward) or frees (backward).
  int segment_memory(int segment, Phase phase) {
    int& cached = segment_memory_[static_cast<std::size_t>(segment)];
    if (cached != -2) return cached;
    const Bytes saved = segment == layer_f || segment == layer_b ? saved_layer_ : segment == head_f || segment == head_b ? saved_head_ : Bytes(0);
    const Bytes temporary = segment == layer_b ? working_set_ : Bytes(0);
    cached = saved.value == 0 ? -1 : memory(changes(saved, temporary, phase));
    return cached;
  }
  static std::vector<MemoryChange> changes(Bytes saved, Bytes temporary, Phase phase) {
    if (phase == Phase::forward) return {{MemoryOwner::activations, saved, Bytes(0)}};
    return {{MemoryOwner::activations, Bytes(0), -saved}, {MemoryOwner::temporary, temporary, -temporary}};
  }

  void emit_operators(int segment, Phase phase, const Slot& slot, bool contended, int effect) {
    const Segment& s = program_.segments[static_cast<std::size_t>(segment)];
    std::vector<int>& works = operator_works_[static_cast<std::size_t>(segment)][contended ? 1 : 0];
    if (works.empty()) make_operator_works(segment, contended, works);
    const int host = s.host_layers > 0 ? emit_host(segment, phase, slot) : -1;
    std::vector<int> ids(s.steps.size(), -1);
    // A segment's memory is charged at its first operator and released at its last.
    const auto [first_effect, last_effect] = split_effect(segment, effect);
    for (std::size_t i = 0; i < s.steps.size(); ++i) {
      const bool comm = std::holds_alternative<TpCollective>(s.steps[i].work);
      const int after = s.steps[i].after;
      if (i == 0) wait(std::exchange(pending_host_, -1));
      if (after < 0 || i == 0) wait(comm ? last_compute_ : last_tp_);
      else wait(ids[static_cast<std::size_t>(after)]);
      const int effect_here = i == 0 ? first_effect : i + 1 == s.steps.size() ? last_effect : -1;
      ids[i] = emit(works[i], comm ? Stream::tp : Stream::compute, phase, slot.micro_batch, slot.chunk, effect_here);
    }
    pending_host_ = host;
  }
  int emit_host(int segment, Phase phase, const Slot& slot) {
    int& cached = host_works_[static_cast<std::size_t>(segment)];
    if (cached < 0) cached = work(HostIssue{segment});
    // The segment itself waits for what it was told to as well.
    const std::vector<InstructionId> kept(kind_->after.begin() + waits_begin_, kind_->after.end());
    wait_for_compute();
    const int id = emit(cached, Stream::host, phase, slot.micro_batch, slot.chunk);
    kind_->after.insert(kind_->after.end(), kept.begin(), kept.end());
    return id;
  }
  std::pair<int, int> split_effect(int segment, int effect) {
    if (effect < 0) return {-1, -1};
    auto& cached = split_effects_[static_cast<std::size_t>(segment)];
    if (cached.first == -2) {
      std::vector<MemoryChange> start = program_.memory_changes[static_cast<std::size_t>(effect)];
      std::vector<MemoryChange> end = start;
      for (MemoryChange& c : start) c.at_end = Bytes(0);
      for (MemoryChange& c : end) c.at_start = Bytes(0);
      const int first = memory(std::move(start));
      cached = {first, memory(std::move(end))};
    }
    return cached;
  }
  void make_operator_works(int segment, bool contended, std::vector<int>& works) {
    const Segment s = program_.segments[static_cast<std::size_t>(segment)];
    for (std::size_t i = 0; i < s.steps.size(); ++i) {
      if (const auto* op = std::get_if<Operator>(&s.steps[i].work)) {
        works.push_back(work(OperatorWork{*op, s.phase, segment, static_cast<int>(i), contended}));
      } else {
        const auto& c = std::get<TpCollective>(s.steps[i].work);
        Collective collective{Axis::tp, c.kind, c.bytes, c.exposed, 0, 1, -1, "activations", 1.0, segment, static_cast<int>(i)};
        works.push_back(work(collective));
      }
    }
  }

  // ── one stage ───────────────────────────────────────────────────────────────────────────────────────────────────
  const Chunk& chunk_of(int stage, int chunk) const { return chunks_[static_cast<std::size_t>(stage * shape_.chunks + chunk)]; }
  bool first_of_model(int stage, int chunk) const { return stage == 0 && chunk == 0; }
  bool last_of_model(int stage, int chunk) const { return stage == shape_.stages - 1 && chunk == shape_.chunks - 1; }

  std::vector<SegmentUse> forward_uses(int stage, int c) const {
    const Chunk& chunk = chunk_of(stage, c);
    std::vector<SegmentUse> uses;
    if (chunk.embedding) uses.push_back({embed_f, 1});
    if (gathers_input() && !first_of_model(stage, c)) uses.push_back({gather_input, 1});
    if (chunk.layers > 0) uses.push_back({layer_f, chunk.layers});
    if (chunk.head) uses.push_back({head_f, 1});
    return uses;
  }
  std::vector<SegmentUse> backward_uses(int stage, int c) const {
    const Chunk& chunk = chunk_of(stage, c);
    std::vector<SegmentUse> uses;
    if (gathers_input() && !last_of_model(stage, c)) uses.push_back({gather_input, 1});
    if (chunk.head) uses.push_back({head_b, 1});
    if (chunk.layers > 0) uses.push_back({layer_b, chunk.layers});
    if (chunk.embedding) uses.push_back({embed_b, 1});
    return uses;
  }

  struct ChunkWorks {
    std::vector<SegmentUse> forward, backward;
    int forward_work = -1, backward_work = -1, forward_memory = -1, backward_memory = -1;
  };

  void build_stage(int stage) {
    program_.kinds.emplace_back();
    kind_ = &program_.kinds.back();
    stage_ = stage;
    kind_->stage = StageId(stage);
    kind_->ranks = in_.layout->world_size() / shape_.stages;
    kind_->representative = in_.layout->rank({0, 0, 0, stage});
    last_compute_ = last_tp_ = last_send_ = pending_host_ = -1;
    waits_begin_ = 0;
    reserve_and_resident();
    gradient_path_ = path(in_.paths->stages[static_cast<std::size_t>(stage)].gradients);
    make_transfers();
    make_chunk_works();
    gathered_.assign(static_cast<std::size_t>(shape_.chunks), {});
    reduced_.clear();
    if (overlaps_.param_gather && sharded_optimizer()) for (int c = 0; c < shape_.chunks; ++c) emit_parameter_gathers(c);
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
    if (plan_.sequence_parallel || gathers_input()) bytes /= plan_.tensor_parallel;
    const int previous = (stage_ + shape_.stages - 1) % shape_.stages;
    const int next = (stage_ + 1) % shape_.stages;
    const int to_next = path(in_.paths->stages[static_cast<std::size_t>(stage_)].next_stage);
    const int from_previous = path(in_.paths->stages[static_cast<std::size_t>(previous)].next_stage);
    send_forward_ = work(Send{Bytes(bytes), to_next, stage_});
    receive_forward_ = work(Receive{Bytes(bytes), from_previous, previous});
    send_backward_ = work(Send{Bytes(bytes), from_previous, shape_.stages + stage_});
    receive_backward_ = work(Receive{Bytes(bytes), to_next, shape_.stages + next});
  }

  void make_chunk_works() {
    works_.assign(static_cast<std::size_t>(shape_.chunks), {});
    for (int c = 0; c < shape_.chunks; ++c) {
      ChunkWorks& w = works_[static_cast<std::size_t>(c)];
      const Chunk& chunk = chunk_of(stage_, c);
      w.forward = forward_uses(stage_, c);
      w.backward = backward_uses(stage_, c);
      const Bytes saved = chunk.layers * saved_layer_ + (chunk.head ? saved_head_ : Bytes(0));
      const Bytes temporary = working_set_beside(chunk.layers, chunk.head);
      w.forward_memory = memory(changes(saved, temporary, Phase::forward));
      w.backward_memory = memory(changes(saved, temporary, Phase::backward));
      if (granularity_ != Granularity::block) continue;
      w.forward_work = work(Block{w.forward, false});
      w.backward_work = work(Block{w.backward, false});
    }
  }

  bool sharded_optimizer() const { return plan_.data_parallel_kind == DataParallelKind::zero1 && gradient_ranks_ > 1; }

  // A blocking send stops the next compute.
  void wait_for_blocking() {
    if (overlaps_.blocking_p2p) wait(std::exchange(last_send_, -1));
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
      return emit(receive_forward_, Stream::receive_forward, Phase::forward, slot.micro_batch, slot.chunk);
    if (slot.kind == SlotKind::backward && !last_of_model(stage_, slot.chunk))
      return emit(receive_backward_, Stream::receive_backward, Phase::backward, slot.micro_batch, slot.chunk);
    return -1;
  }

  void emit_forward(const Slot& slot, int received) {
    wait_for_blocking();
    wait(received);
    ChunkWorks& w = works_[static_cast<std::size_t>(slot.chunk)];
    std::vector<int>& gathers = gathered_[static_cast<std::size_t>(slot.chunk)];
    if (slot.micro_batch == 0 && !gathers.empty()) {
      emit_first_forward(slot, gathers);
    } else {
      emit_compute(w.forward, Phase::forward, slot, false, w.forward_memory, w.forward_work);
    }
    if (!last_of_model(stage_, slot.chunk) && shape_.stages > 1) emit_send(send_forward_, Stream::send_forward, Phase::forward, slot);
  }

  void emit_send(int work_index, Stream stream, Phase phase, const Slot& slot) {
    wait_for_compute();
    last_send_ = emit(work_index, stream, phase, slot.micro_batch, slot.chunk);
  }

  void emit_backward(const Slot& slot, int received) {
    wait_for_blocking();
    wait(received);
    ChunkWorks& w = works_[static_cast<std::size_t>(slot.chunk)];
    const bool last = slot.micro_batch == shape_.micro_batches - 1;
    if (last && gradient_ranks_ > 1 && overlaps_.grad_reduce && reduces_by_bucket()) {
      emit_bucketed_backward(slot);
    } else {
      emit_compute(w.backward, Phase::backward, slot, false, w.backward_memory, w.backward_work);
      if (last && gradient_ranks_ > 1 && overlaps_.grad_reduce) emit_gradient_sync(chunk_of(stage_, slot.chunk).parameters);
    }
    if (!first_of_model(stage_, slot.chunk) && shape_.stages > 1) emit_send(send_backward_, Stream::send_backward, Phase::backward, slot);
  }

  // Megatron enables bucket-wise overlap on every stage of an interleaved pipeline, on stage 0 alone otherwise (the
  // later stages reduce in their cool-down bubble).
  bool reduces_by_bucket() const { return shape_.chunks > 1 || stage_ == 0 || shape_.stages == 1; }

  void emit_bucketed_backward(const Slot& slot) {
    const Chunk& chunk = chunk_of(stage_, slot.chunk);
    const bool gathers = gathers_input() && !last_of_model(stage_, slot.chunk);
    for (std::size_t b = 0; b < chunk.buckets.size(); ++b) {
      std::vector<SegmentUse> uses = chunk.buckets[b];
      const int effect = granularity_ == Granularity::block ? piece_memory(uses, Phase::backward) : -1;
      if (b == 0 && gathers) uses.insert(uses.begin(), {gather_input, 1});
      emit_compute(uses, Phase::backward, slot, b > 0 || !reduced_.empty(), effect);
      emit_gradient_sync(chunk.bucket_parameters[b]);
    }
  }

  int piece_memory(const std::vector<SegmentUse>& uses, Phase phase) {
    Bytes saved{};
    int layers = 0;
    bool head = false;
    for (const SegmentUse& use : uses) {
      if (use.segment == layer_b || use.segment == layer_f) layers += use.repeat;
      head = head || use.segment == head_b || use.segment == head_f;
    }
    saved = layers * saved_layer_ + (head ? saved_head_ : Bytes(0));
    return memory(changes(saved, working_set_beside(layers, head), phase));
  }
  // A layer's backward finds the head's activations freed.
  Bytes working_set_beside(int layers, bool head) const {
    if (layers == 0) return Bytes(0);
    return head ? std::max(Bytes(0), working_set_ - saved_head_) : working_set_;
  }


  void emit_gradient_sync(double parameters) {
    const bool sharded = sharded_optimizer();
    Collective c{Axis::dp, sharded ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce,
                 Bytes(bytes_per_element(overlaps_.gradient_type) * parameters), 1.0, gradient_path_, 1, -1, "gradients",
                 sharded ? stack_.distributed_optimizer_factor : 1.0, -1, -1};
    wait_for_compute();
    reduced_.push_back(emit(work(c), Stream::dp, Phase::gradient_sync, -1, 0));
  }

  Collective parameter_gather(double parameters) {
    return {Axis::dp, CollectiveKind::all_gather, Bytes(weight_bytes * parameters), 1.0, gradient_path_, 1, -1, "parameters",
            stack_.distributed_optimizer_factor, -1, -1};
  }
  // Gathers run bucket by bucket from the start of the step, in forward order.
  void emit_parameter_gathers(int c) {
    const Chunk& chunk = chunk_of(stage_, c);
    for (auto parameters = chunk.bucket_parameters.rbegin(); parameters != chunk.bucket_parameters.rend(); ++parameters)
      gathered_[static_cast<std::size_t>(c)].push_back(
          emit(work(parameter_gather(*parameters)), Stream::dp, Phase::parameter_gather, -1, c));
  }

  static int forward_segment(int backward_segment) {
    return backward_segment == layer_b ? layer_f : backward_segment == head_b ? head_f : embed_f;
  }

  // The first forward of a chunk, in pieces that each wait for their parameters.
  void emit_first_forward(const Slot& slot, const std::vector<int>& gathers) {
    const Chunk& chunk = chunk_of(stage_, slot.chunk);
    for (std::size_t i = 0; i < chunk.buckets.size(); ++i) {
      const std::vector<SegmentUse>& bucket = chunk.buckets[chunk.buckets.size() - 1 - i];
      std::vector<SegmentUse> uses;
      if (i == 0 && gathers_input() && !first_of_model(stage_, slot.chunk)) uses.push_back({gather_input, 1});
      for (auto use = bucket.rbegin(); use != bucket.rend(); ++use) uses.push_back({forward_segment(use->segment), use->repeat});
      const int effect = granularity_ == Granularity::block ? piece_memory(uses, Phase::forward) : -1;
      wait(gathers[i]);
      emit_compute(uses, Phase::forward, slot, true, effect);
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
      wait_for_compute();
      wait(last_send_);
      wait(last);
      for (int id : std::exchange(reduced_, {})) wait(id);
      last = emit(work(std::move(w)), stream, phase, -1, 0);
    };
    emit_replicated_gradients(join);
    if (model_.tied_embeddings && shape_.stages > 1 && (stage_ == 0 || stage_ == shape_.stages - 1)) {
      const double bytes = bytes_per_element(overlaps_.gradient_type) * static_cast<double>(vocabulary_parameters(model_, plan_.tensor_parallel));
      join(Collective{Axis::pp, CollectiveKind::all_reduce, Bytes(bytes), 1.0, path(in_.paths->embedding), 2, 0, "tied embedding gradients", 1.0, -1, -1},
           Stream::dp, Phase::gradient_sync);
    }
    if (in_.layout->world_size() > 1)
      join(Collective{Axis::dp, CollectiveKind::all_reduce, Bytes(4), 1.0, world_path_, shape_.stages, 1, "gradient norm", 1.0, -1, -1},
           Stream::dp, Phase::gradient_sync);
    const StageParameters p = stage_parameters(in_, stage_);
    const Bytes traffic(stack_.optimizer_bytes_local * p.total + stack_.optimizer_bytes_owned * p.owned);
    join(OperatorWork{Operator{"optimizer", MemoryBound{traffic, MemoryKind::fused, 1}}, Phase::optimizer, -1, -1, false}, Stream::compute, Phase::optimizer);
    if (sharded_optimizer() && !overlaps_.param_gather) join(parameter_gather(p.total), Stream::dp, Phase::parameter_gather);
    if (stack_.host_step.value > 0) join(HostIssue{-1}, Stream::host, Phase::host);
  }

  // With sequence parallelism, gradients of what every TP rank holds (norms, row biases) are summed in one call.
  template <class Join>
  void emit_replicated_gradients(Join&& join) {
    if (!plan_.sequence_parallel || plan_.tensor_parallel == 1) return;
    double layers = 0;
    for (int c = 0; c < shape_.chunks; ++c) layers += chunk_of(stage_, c).layers;
    const double parameters = layers * static_cast<double>(layer_parameters(model_, false, plan_.tensor_parallel).replicated);
    join(Collective{Axis::tp, CollectiveKind::all_reduce, Bytes(bytes_per_element(overlaps_.gradient_type) * parameters), 1.0, 0, 1, -1,
                    "replicated gradients", 1.0, -1, -1},
         Stream::tp, Phase::gradient_sync);
  }

  const StepInputs& in_;
  const Plan& plan_;
  const ModelShape& model_;
  const StackProfile& stack_;
  Granularity granularity_;
  Overlaps overlaps_;
  RecomputeKind recompute_;
  RankSlice slice_;
  PipelineShape shape_;
  int gradient_ranks_ = 1;

  StepProgram program_;
  std::vector<Chunk> chunks_;          // [stage][chunk]
  Bytes saved_layer_{}, saved_head_{}, working_set_{};
  double layer_parameters_ = 0, embedding_parameters_ = 0, head_parameters_ = 0;
  int world_path_ = 0;
  std::array<std::array<int, 2>, segment_count> segment_works_ = filled<std::array<int, 2>>({-1, -1});
  std::array<int, segment_count> segment_memory_ = filled<int>(-2);
  std::array<int, segment_count> host_works_ = filled<int>(-1);
  std::array<std::pair<int, int>, segment_count> split_effects_ = filled<std::pair<int, int>>({-2, -2});
  std::array<std::array<std::vector<int>, 2>, segment_count> operator_works_;

  // of the stage being built
  RankKind* kind_ = nullptr;
  int stage_ = 0;
  int last_compute_ = -1, last_tp_ = -1, last_send_ = -1, pending_host_ = -1;
  int gradient_path_ = 0;
  int send_forward_ = -1, receive_forward_ = -1, send_backward_ = -1, receive_backward_ = -1;
  std::vector<ChunkWorks> works_;
  std::vector<std::vector<int>> gathered_;  // [chunk] parameter gathers, forward order
  std::vector<int> reduced_;                // gradient syncs not yet waited for
  std::int32_t waits_begin_ = 0;            // of the next instruction's entries in after

  template <class T>
  static std::array<T, segment_count> filled(T value) {
    std::array<T, segment_count> a;
    a.fill(value);
    return a;
  }
};

}  // namespace

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
    if (*plan.tp_comm_overlap) s.tp_overlap = TpOverlap::userbuffers;
    else if (s.tp_overlap == TpOverlap::userbuffers) s.tp_overlap = TpOverlap::backward;
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
    if (!model.tied_embeddings || plan.pipeline_parallel > 1) total += static_cast<double>(vocabulary_parameters(model, t));
  }
  const bool sharded = plan.data_parallel_kind == DataParallelKind::zero1;
  return {total, sharded ? total / (plan.data_parallel * plan.context_parallel) : total};
}

StepProgram build_step(const StepInputs& inputs, Granularity granularity) { return StepBuilder(inputs, granularity).build(); }

}  // namespace trainyard
