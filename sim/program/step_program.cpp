#include "sim/program/step_program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace trainyard {
namespace {

struct ChannelEnds {
  std::vector<Bytes> sent;
  std::vector<Bytes> received;
};

std::string instruction_text(const StepProgram& program, const Instruction& instruction) {
  const Work& work = program.works[static_cast<std::size_t>(instruction.work)];
  const std::string at =
      instruction.micro_batch < 0 ? "" : fmt::format("{}.{}", instruction.micro_batch, instruction.chunk);
  const char letter = instruction.phase == Phase::forward ? 'F' : instruction.phase == Phase::backward ? 'B' : 'W';
  struct Describe {
    const std::string& at;
    char letter;
    std::string operator()(const Block& b) const {
      int segments = 0;
      for (const SegmentUse& use : b.uses) segments += use.repeat;
      for (const SegmentUse& use : b.partner) segments += use.repeat;
      return fmt::format("{}{} {} segments", letter, at, segments);
    }
    std::string operator()(const OperatorWork& o) const { return fmt::format("{} {}", o.op.name, at); }
    std::string operator()(const HostIssue&) const { return "host"; }
    std::string operator()(const HostCopy& c) const { return fmt::format("copy {} {:.0f} B", c.label, c.bytes.value); }
    std::string operator()(const HostUpdate& u) const { return fmt::format("host update {:.0f} B", u.bytes.value); }
    std::string operator()(const Collective& c) const {
      return fmt::format("{} {} {:.0f} B path {}", trainyard::name(c.kind), c.label, c.bytes.value, c.path);
    }
    std::string operator()(const Send& s) const { return fmt::format("send {} channel {}", at, s.channel); }
    std::string operator()(const Receive& r) const { return fmt::format("receive {} channel {}", at, r.channel); }
  };
  return std::visit(Describe{at, letter}, work);
}

void check_memory(const StepProgram& program, const RankKind& kind, std::size_t index,
                  std::vector<std::string>& problems) {
  Bytes balance{};
  for (const Instruction& instruction : kind.instructions) {
    if (instruction.memory < 0) continue;
    for (const MemoryChange& change : program.memory_changes[static_cast<std::size_t>(instruction.memory)])
      balance += change.at_start + change.at_end;
  }
  if (balance.value != 0)
    problems.push_back(fmt::format("kind {}: memory ends {:+.0f} B from its start", index, balance.value));
}

void check_channels(const std::map<int, ChannelEnds>& channels, std::vector<std::string>& problems) {
  for (const auto& [id, ends] : channels)
    if (ends.sent != ends.received)
      problems.push_back(fmt::format("channel {}: {} sends, {} receives, or different bytes", id, ends.sent.size(),
                                     ends.received.size()));
}

}  // namespace

const PairedForward* paired_forward(const RankKind& kind, InstructionId id) {
  const auto found = std::lower_bound(kind.pairs.begin(), kind.pairs.end(), id,
                                      [](const PairedForward& p, InstructionId i) { return p.backward < i; });
  return found != kind.pairs.end() && found->backward == id ? &*found : nullptr;
}

std::size_t StepProgram::instruction_count() const {
  std::size_t count = 0;
  for (const RankKind& kind : kinds) count += kind.instructions.size();
  return count;
}

std::vector<std::int64_t> work_uses(const StepProgram& program) {
  std::vector<std::int64_t> uses(program.works.size(), 0);
  for (const RankKind& kind : program.kinds)
    for (const Instruction& i : kind.instructions) ++uses[static_cast<std::size_t>(i.work)];
  return uses;
}

std::vector<std::string> violations(const StepProgram& program) {
  std::vector<std::string> problems;
  std::map<int, ChannelEnds> channels;
  std::map<int, int> arrivals;
  std::map<int, int> parties;
  for (std::size_t k = 0; k < program.kinds.size(); ++k) {
    const RankKind& kind = program.kinds[k];
    for (std::size_t i = 0; i < kind.instructions.size(); ++i) {
      const Instruction& instruction = kind.instructions[i];
      for (int a = 0; a < instruction.after_count; ++a)
        if (kind.after[static_cast<std::size_t>(instruction.after_begin + a)].index() >= i)
          problems.push_back(fmt::format("kind {} instruction {}: waits for a later instruction", k, i));
      const Work& work = program.works[static_cast<std::size_t>(instruction.work)];
      if (const auto* send = std::get_if<Send>(&work)) channels[send->channel].sent.push_back(send->bytes);
      if (const auto* receive = std::get_if<Receive>(&work))
        channels[receive->channel].received.push_back(receive->bytes);
      if (const auto* c = std::get_if<Collective>(&work); c != nullptr && c->parties > 1) {
        ++arrivals[c->rendezvous];
        parties[c->rendezvous] = c->parties;
      }
    }
    check_memory(program, kind, k, problems);
  }
  check_channels(channels, problems);
  for (const auto& [id, expected] : parties)
    if (arrivals[id] != expected)
      problems.push_back(fmt::format("rendezvous {}: {} of {} parties", id, arrivals[id], expected));
  return problems;
}

std::string to_text(const StepProgram& program) {
  std::string text;
  for (std::size_t k = 0; k < program.kinds.size(); ++k) {
    const RankKind& kind = program.kinds[k];
    text += fmt::format("stage {} ({} ranks)\n", kind.stage.value, kind.ranks);
    for (std::size_t i = 0; i < kind.instructions.size(); ++i) {
      const Instruction& instruction = kind.instructions[i];
      text += fmt::format("  {:4} {:<19} {}", i, name(instruction.stream), instruction_text(program, instruction));
      for (int a = 0; a < instruction.after_count; ++a)
        text += fmt::format("{}{}", a == 0 ? " after " : ",",
                            kind.after[static_cast<std::size_t>(instruction.after_begin + a)].value);
      text += '\n';
    }
  }
  return text;
}

std::string compute_order(const StepProgram& program, std::size_t kind) {
  bool chunked = false;
  for (const Instruction& i : program.kinds[kind].instructions) chunked = chunked || i.chunk > 0;
  std::string text;
  int last_micro_batch = -1, last_chunk = -1;
  Phase last_phase = Phase::optimizer;
  for (const Instruction& i : program.kinds[kind].instructions) {
    if (i.stream != Stream::compute || i.micro_batch < 0) continue;
    if (i.micro_batch == last_micro_batch && i.chunk == last_chunk && i.phase == last_phase)
      continue;  // pieces of one block
    last_micro_batch = i.micro_batch;
    last_chunk = i.chunk;
    last_phase = i.phase;
    if (!text.empty()) text += ' ';
    text += i.phase == Phase::forward ? 'F' : i.phase == Phase::backward ? 'B' : 'W';
    text += chunked ? fmt::format("{}.{}", i.micro_batch, i.chunk) : fmt::format("{}", i.micro_batch);
  }
  return text;
}

}  // namespace trainyard
