#include "sim/program/stage_writer.hpp"

#include <algorithm>

namespace trainyard {
namespace {

constexpr std::array layer_streams = {Stream::tp, Stream::cp, Stream::ep};

struct AxisAndStream {
  Axis axis;
  Stream stream;
};
AxisAndStream of_group(LayerGroup group) {
  switch (group) {
    case LayerGroup::tp:
    case LayerGroup::etp:
      return {Axis::tp, Stream::tp};
    case LayerGroup::cp:
    case LayerGroup::cp_inner:
      return {Axis::cp, Stream::cp};
    case LayerGroup::ep:
      return {Axis::ep, Stream::ep};
  }
  return {Axis::tp, Stream::tp};
}

}  // namespace

StageWriter::StageWriter(StepProgram& program, const StepModel& model, const CommunicationPaths& paths,
                         Granularity granularity)
    : program_(program),
      model_(model),
      paths_(paths),
      granularity_(granularity),
      path_index_(2 * path_kinds * paths.stages.size(), -1),
      made_(model.empty.size()) {}

RankKind& StageWriter::begin_stage(StageId stage) {
  kind_ = &program_.kinds.emplace_back();
  kind_->stage = stage;
  waits_begin_ = 0;
  last_of_.fill(-1);
  pending_host_ = -1;
  return *kind_;
}

int StageWriter::path(PathKey key) {
  if (key.kind >= PathKind::embedding) key.stage = 0;
  const auto kind = static_cast<std::size_t>(key.kind), stage = static_cast<std::size_t>(key.stage);
  int& index = path_index_[2 * (stage * path_kinds + kind) + (key.single_rail ? 1 : 0)];
  if (index < 0) {
    index = static_cast<int>(program_.paths.size());
    program_.paths.push_back(path_at(paths_, key));
    program_.path_keys.push_back(key);
  }
  return index;
}

int StageWriter::work(Work work) {
  program_.works.push_back(std::move(work));
  return static_cast<int>(program_.works.size()) - 1;
}

int StageWriter::memory(std::vector<MemoryChange> entry) {
  std::erase_if(entry, [](const MemoryChange& c) { return c.at_start.value == 0 && c.at_end.value == 0; });
  if (entry.empty()) return -1;
  program_.memory_changes.push_back(std::move(entry));
  return static_cast<int>(program_.memory_changes.size()) - 1;
}

int StageWriter::memory(const MemoryEffect& effect) {
  return memory({{MemoryOwner::activations, effect.at_start, effect.at_end},
                 {MemoryOwner::temporary, effect.temporary, -effect.temporary}});
}

void StageWriter::wait(int id) {
  if (id >= 0) kind_->after.emplace_back(id);
}

void StageWriter::wait_for_layer_collectives(Stream except) {
  for (Stream s : layer_streams)
    if (s != except) wait(last_of_[static_cast<std::size_t>(s)]);
}

void StageWriter::wait_for_compute() {
  wait(last_compute());
  if (granularity_ != Granularity::operator_) return;
  wait_for_layer_collectives(Stream::compute);
  wait(pending_host_);
}

int StageWriter::emit(int work_index, Stream stream, Phase phase, PassOf pass, int memory_index) {
  Instruction i;
  i.work = work_index;
  i.memory = memory_index;
  i.after_begin = waits_begin_;
  i.after_count = static_cast<std::int32_t>(kind_->after.size()) - waits_begin_;
  waits_begin_ += i.after_count;
  i.micro_batch = pass.micro_batch;
  i.chunk = pass.chunk;
  i.stream = stream;
  i.phase = phase;
  kind_->instructions.push_back(i);
  const int id = static_cast<int>(kind_->instructions.size()) - 1;
  last_of_[static_cast<std::size_t>(stream)] = id;
  return id;
}

StageWriter::Mark StageWriter::mark(int received) const {
  return {static_cast<int>(kind_->instructions.size()), static_cast<int>(kind_->after.size()) - waits_begin_,
          last_compute(), received};
}

std::optional<Passage> StageWriter::passage_since(const Mark& mark) const {
  if (granularity_ == Granularity::operator_) return std::nullopt;  // layers' collectives are waited for, too
  Passage passage;
  int queued = mark.queued;
  for (auto i = static_cast<std::size_t>(mark.first); i < kind_->instructions.size(); ++i) {
    Instruction instruction = kind_->instructions[i];
    const std::int32_t begin = instruction.after_begin + queued,
                       end = instruction.after_begin + instruction.after_count;
    queued = 0;
    instruction.after_begin = static_cast<std::int32_t>(passage.after.size());
    instruction.after_count = end - begin;
    for (std::int32_t a = begin; a < end; ++a) {
      const std::int32_t id = kind_->after[static_cast<std::size_t>(a)].value;
      if (id < mark.first && id != mark.start && id != mark.received) return std::nullopt;
      passage.after.push_back(id >= mark.first   ? id - mark.first
                              : id == mark.start ? Passage::start
                                                 : Passage::received);
    }
    passage.instructions.push_back(instruction);
  }
  return passage;
}

void StageWriter::repeat(const Passage& passage, const Mark& mark, PassOf pass) {
  for (Instruction i : passage.instructions) {
    for (std::int32_t a = i.after_begin; a < i.after_begin + i.after_count; ++a) {
      const std::int32_t id = passage.after[static_cast<std::size_t>(a)];
      wait(id == Passage::start ? mark.start : id == Passage::received ? mark.received : mark.first + id);
    }
    const PassOf of{i.micro_batch < 0 ? i.micro_batch : pass.micro_batch, i.chunk};
    emit(i.work, i.stream, i.phase, of, i.memory);
  }
}

void StageWriter::emit_compute(const ComputeRun& run, Phase phase, PassOf pass) {
  const bool single = run.uses.size() == 1 && run.uses.front().repeat == 1;
  const bool one_block = granularity_ == Granularity::block || (granularity_ == Granularity::layer && single);
  if (one_block && (granularity_ == Granularity::block || run.memory >= 0)) {
    const int block = run.cached_work >= 0
                          ? run.cached_work
                          : work(Block{{run.uses.begin(), run.uses.end()}, run.contended, run.beside, {}});
    emit(block, Stream::compute, phase, pass, run.memory);
    return;
  }
  for (const SegmentUse& use : run.uses)
    for (int i = 0; i < use.repeat; ++i) {
      const int own = single && run.memory >= 0 ? run.memory : segment_memory(use.segment);
      if (granularity_ == Granularity::operator_)
        emit_operators(use.segment, phase, pass, run.contended, own);
      else
        emit(segment_work(use.segment, run.contended), Stream::compute, phase, pass, own);
    }
  if (run.beside.empty() && !run.uses.empty()) return;
  // What runs beside slows the operators down; nothing to run still carries its memory.
  Block rest{{run.uses.begin(), run.uses.end()}, false, run.beside, {}, true};
  emit(work(std::move(rest)), Stream::compute, phase, pass, run.uses.empty() ? run.memory : -1);
}

void StageWriter::emit_pair(int work_index, PassOf forward, PassOf backward, int memory_index) {
  const int id = emit(work_index, Stream::compute, Phase::backward, backward, memory_index);
  kind_->pairs.push_back({InstructionId(id), forward.micro_batch, forward.chunk});
}

int StageWriter::segment_work(int segment, bool contended) {
  int& made = made_[static_cast<std::size_t>(segment)].work[contended ? 1 : 0];
  if (made < 0) made = work(Block{{{segment, 1}}, contended, {}, {}});
  return made;
}

int StageWriter::segment_memory(int segment) {
  Made& made = made_[static_cast<std::size_t>(segment)];
  if (std::exchange(made.memory_known, true)) return made.memory;
  return made.memory = memory(model_.segment_memory[static_cast<std::size_t>(segment)]);
}

// Charged at the first operator, released at the last.
std::pair<int, int> StageWriter::split_memory(int whole) {
  if (whole < 0) return {-1, -1};
  const auto [known, added] = split_.try_emplace(whole, -1, -1);
  if (!added) return known->second;
  std::vector<MemoryChange> start = program_.memory_changes[static_cast<std::size_t>(whole)];
  std::vector<MemoryChange> end = start;
  for (MemoryChange& c : start) c.at_end = Bytes(0);
  for (MemoryChange& c : end) c.at_start = Bytes(0);
  known->second.first = memory(std::move(start));
  known->second.second = memory(std::move(end));
  return known->second;
}

const std::vector<int>& StageWriter::operator_works(int segment, bool contended) {
  std::vector<int>& made = made_[static_cast<std::size_t>(segment)].operators[contended ? 1 : 0];
  if (!made.empty()) return made;
  const Segment& s = program_.segments[static_cast<std::size_t>(segment)];
  for (std::size_t i = 0; i < s.steps.size(); ++i) {
    const int step = static_cast<int>(i);
    if (const auto* op = std::get_if<Operator>(&s.steps[i].work)) {
      made.push_back(work(OperatorWork{*op, s.phase, segment, step, contended}));
      continue;
    }
    const auto& c = std::get<LayerCollective>(s.steps[i].work);
    made.push_back(work(Collective{of_group(c.group).axis, c.kind, c.bytes, c.exposed,
                                   program_.layer_paths[static_cast<std::size_t>(c.group)], 1, -1, c.label, 1.0,
                                   segment, step, c.outside, comm_group(c.group)}));
  }
  return made;
}

void StageWriter::emit_operators(int segment, Phase phase, PassOf pass, bool contended, int memory_index) {
  const std::vector<int>& works = operator_works(segment, contended);
  const Segment& s = program_.segments[static_cast<std::size_t>(segment)];
  const LayerSteps& steps = s.steps;
  const auto [first_memory, last_memory] = split_memory(memory_index);
  const int host = s.host_layers > 0 || s.host_syncs > 0 ? emit_host(segment, phase, pass) : -1;
  std::vector<int> ids(steps.size(), -1);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto* comm = std::get_if<LayerCollective>(&steps[i].work);
    const Stream stream = comm != nullptr ? of_group(comm->group).stream : Stream::compute;
    if (i == 0) wait(std::exchange(pending_host_, -1));
    if (steps[i].after < 0 || i == 0) {
      if (comm != nullptr) wait(last_compute());
      wait_for_layer_collectives(stream);
    } else {
      wait(ids[static_cast<std::size_t>(steps[i].after)]);
    }
    const int here = steps.size() == 1       ? memory_index
                     : i == 0                ? first_memory
                     : i + 1 == steps.size() ? last_memory
                                             : -1;
    ids[i] = emit(works[i], stream, phase, pass, here);
  }
  pending_host_ = host;
}

int StageWriter::emit_host(int segment, Phase phase, PassOf pass) {
  int& made = made_[static_cast<std::size_t>(segment)].host;
  if (made < 0) made = work(HostIssue{segment});
  // The segment itself waits for what it was told to as well.
  const std::vector<InstructionId> kept(kind_->after.begin() + waits_begin_, kind_->after.end());
  wait_for_compute();
  const int id = emit(made, Stream::host, phase, pass);
  kind_->after.insert(kind_->after.end(), kept.begin(), kept.end());
  return id;
}

}  // namespace trainyard
