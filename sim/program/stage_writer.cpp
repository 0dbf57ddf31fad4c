#include "sim/program/stage_writer.hpp"

#include <algorithm>

namespace trainyard {
namespace {

std::vector<MemoryChange> changes(Bytes saved, Bytes temporary, Phase phase) {
  if (phase == Phase::forward) return {{MemoryOwner::activations, saved, Bytes(0)}};
  return {{MemoryOwner::activations, Bytes(0), -saved}, {MemoryOwner::temporary, temporary, -temporary}};
}

}  // namespace

StageWriter::StageWriter(StepProgram& program, Granularity granularity, const SegmentMemory& memory)
    : program_(program), granularity_(granularity), memory_(memory) {}

RankKind& StageWriter::begin_stage(StageId stage) {
  kind_ = &program_.kinds.emplace_back();
  kind_->stage = stage;
  waits_begin_ = 0;
  last_compute_ = last_tp_ = pending_host_ = -1;
  return *kind_;
}

int StageWriter::path(const std::vector<Tier>& tiers) {
  const auto known = std::find(program_.paths.begin(), program_.paths.end(), tiers);
  const auto index = known - program_.paths.begin();
  if (known == program_.paths.end()) program_.paths.push_back(tiers);
  return static_cast<int>(index);
}

int StageWriter::work(Work work) {
  program_.works.push_back(std::move(work));
  return static_cast<int>(program_.works.size()) - 1;
}

int StageWriter::add_memory(std::vector<MemoryChange> entry) {
  program_.memory_changes.push_back(std::move(entry));
  return static_cast<int>(program_.memory_changes.size()) - 1;
}

int StageWriter::memory(int layers, bool head, Phase phase) {
  const Bytes saved = layers * memory_.layer + (head ? memory_.head : Bytes(0));
  const Bytes beside_head = std::max(Bytes(0), memory_.working_set - memory_.head);
  const Bytes temporary = layers == 0 ? Bytes(0) : head ? beside_head : memory_.working_set;
  return add_memory(changes(saved, temporary, phase));
}

void StageWriter::wait(int id) {
  if (id >= 0) kind_->after.emplace_back(id);
}

void StageWriter::wait_for_compute() {
  wait(last_compute_);
  if (granularity_ != Granularity::operator_) return;
  wait(last_tp_);
  wait(pending_host_);
}

int StageWriter::emit(int work_index, Stream stream, Phase phase, int micro_batch, int chunk, int memory_index) {
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

void StageWriter::emit_compute(const std::vector<SegmentUse>& uses, Phase phase, const Slot& slot, bool contended,
                               int memory_index, int cached_work) {
  if (granularity_ == Granularity::block) {
    const int block = cached_work >= 0 ? cached_work : work(Block{uses, contended});
    emit(block, Stream::compute, phase, slot.micro_batch, slot.chunk, memory_index);
    return;
  }
  for (const SegmentUse& use : uses)
    for (int i = 0; i < use.repeat; ++i) {
      if (granularity_ == Granularity::operator_)
        emit_operators(use.segment, phase, slot, contended);
      else
        emit(segment_work(use.segment, contended), Stream::compute, phase, slot.micro_batch, slot.chunk,
             segment_memory(use.segment, phase));
    }
}

int StageWriter::segment_work(int segment, bool contended) {
  int& made = made_[static_cast<std::size_t>(segment)].work[contended ? 1 : 0];
  if (made < 0) made = work(Block{{{segment, 1}}, contended});
  return made;
}

int StageWriter::segment_memory(int segment, Phase phase) {
  Made& made = made_[static_cast<std::size_t>(segment)];
  if (std::exchange(made.memory_known, true)) return made.memory;
  const bool layer = segment == layer_f || segment == layer_b;
  const bool head = segment == head_f || segment == head_b;
  if (layer || head)
    made.memory =
        add_memory(changes(layer ? memory_.layer : memory_.head, layer ? memory_.working_set : Bytes(0), phase));
  return made.memory;
}

// Charged at the first operator, released at the last.
std::pair<int, int> StageWriter::split_memory(int segment, int memory_index) {
  Made& made = made_[static_cast<std::size_t>(segment)];
  if (std::exchange(made.split_known, true) || memory_index < 0) return made.split;
  std::vector<MemoryChange> start = program_.memory_changes[static_cast<std::size_t>(memory_index)];
  std::vector<MemoryChange> end = start;
  for (MemoryChange& c : start) c.at_end = Bytes(0);
  for (MemoryChange& c : end) c.at_start = Bytes(0);
  made.split.first = add_memory(std::move(start));
  made.split.second = add_memory(std::move(end));
  return made.split;
}

const std::vector<int>& StageWriter::operator_works(int segment, bool contended) {
  std::vector<int>& made = made_[static_cast<std::size_t>(segment)].operators[contended ? 1 : 0];
  if (!made.empty()) return made;
  const Segment& s = program_.segments[static_cast<std::size_t>(segment)];
  for (std::size_t i = 0; i < s.steps.size(); ++i) {
    const int step = static_cast<int>(i);
    if (const auto* op = std::get_if<Operator>(&s.steps[i].work)) {
      made.push_back(work(OperatorWork{*op, s.phase, segment, step, contended}));
    } else {
      const auto& c = std::get<TpCollective>(s.steps[i].work);
      made.push_back(
          work(Collective{Axis::tp, c.kind, c.bytes, c.exposed, 0, 1, -1, "activations", 1.0, segment, step}));
    }
  }
  return made;
}

void StageWriter::emit_operators(int segment, Phase phase, const Slot& slot, bool contended) {
  const std::vector<int>& works = operator_works(segment, contended);
  const auto [first_memory, last_memory] = split_memory(segment, segment_memory(segment, phase));
  const LayerSteps& steps = program_.segments[static_cast<std::size_t>(segment)].steps;
  const int host =
      program_.segments[static_cast<std::size_t>(segment)].host_layers > 0 ? emit_host(segment, phase, slot) : -1;
  std::vector<int> ids(steps.size(), -1);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const bool comm = std::holds_alternative<TpCollective>(steps[i].work);
    if (i == 0) wait(std::exchange(pending_host_, -1));
    if (steps[i].after < 0 || i == 0)
      wait(comm ? last_compute_ : last_tp_);
    else
      wait(ids[static_cast<std::size_t>(steps[i].after)]);
    const int memory_index = i == 0 ? first_memory : i + 1 == steps.size() ? last_memory : -1;
    ids[i] = emit(works[i], comm ? Stream::tp : Stream::compute, phase, slot.micro_batch, slot.chunk, memory_index);
  }
  pending_host_ = host;
}

int StageWriter::emit_host(int segment, Phase phase, const Slot& slot) {
  int& made = made_[static_cast<std::size_t>(segment)].host;
  if (made < 0) made = work(HostIssue{segment});
  // The segment itself waits for what it was told to as well.
  const std::vector<InstructionId> kept(kind_->after.begin() + waits_begin_, kind_->after.end());
  wait_for_compute();
  const int id = emit(made, Stream::host, phase, slot.micro_batch, slot.chunk);
  kind_->after.insert(kind_->after.end(), kept.begin(), kept.end());
  return id;
}

}  // namespace trainyard
