#include "analysis/trace/slice_words.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace trainyard {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

std::string_view phase_letter(Phase phase) {
  switch (phase) {
    case Phase::forward:
      return "F";
    case Phase::backward:
      return "B";
    case Phase::weight:
      return "W";
    case Phase::gradient_sync:
    case Phase::optimizer:
    case Phase::parameter_gather:
    case Phase::host:
    case Phase::offload:
      return "";
  }
  return "";
}

// "F3 chunk 1"; empty for what belongs to no micro-batch.
std::string pass_name(const Instruction& instruction, bool with_chunk) {
  if (instruction.micro_batch < 0) return {};
  std::string text = fmt::format("{}{}", phase_letter(instruction.phase), instruction.micro_batch);
  if (with_chunk) text += fmt::format(" chunk {}", instruction.chunk);
  return text;
}

std::string block_name(const StepProgram& program, const Block& block, const Instruction& instruction,
                       bool with_chunk) {
  const std::string pass = pass_name(instruction, with_chunk);
  const bool one_segment = block.uses.size() == 1 && block.uses.front().repeat == 1;
  if (!one_segment && !pass.empty()) return pass;
  if (block.only_slowdown) return "slowed by communication";
  if (block.uses.empty()) return std::string(slice_category(instruction));
  const std::string& label = program.segments[static_cast<std::size_t>(block.uses.front().segment)].label;
  return pass.empty() ? label : fmt::format("{} {}", pass, label);
}

std::string transfer_name(std::string_view verb, const Instruction& instruction, bool with_chunk) {
  const std::string pass = pass_name(instruction, with_chunk);
  return pass.empty() ? std::string(verb) : fmt::format("{} {}", verb, pass);
}

std::string segments_text(const StepProgram& program, const Block& block) {
  std::string text;
  for (const SegmentUse& use : block.uses) {
    if (!text.empty()) text += " + ";
    text += fmt::format("{} x {}", use.repeat, program.segments[static_cast<std::size_t>(use.segment)].label);
  }
  for (const SegmentUse& use : block.partner)
    text += fmt::format(" + {} x {}", use.repeat, program.segments[static_cast<std::size_t>(use.segment)].label);
  return text;
}

void add_path(std::vector<SliceArgument>& arguments, const StepProgram& program, int path) {
  if (path < 0 || static_cast<std::size_t>(path) >= program.paths.size()) return;
  const std::vector<Tier>& tiers = program.paths[static_cast<std::size_t>(path)];
  if (tiers.empty()) return;
  const auto worst =
      std::max_element(tiers.begin(), tiers.end(), [](const Tier& a, const Tier& b) { return a.link < b.link; });
  arguments.emplace_back("slowest link", std::string(name(worst->link)));
}

std::int64_t group_size(const StepProgram& program, int path) {
  std::int64_t size = 1;
  for (const Tier& tier : program.paths[static_cast<std::size_t>(path)]) size *= tier.ranks;
  return size;
}

}  // namespace

std::string slice_name(const StepProgram& program, const Instruction& instruction, bool with_chunk) {
  return std::visit(Overloaded{[&](const Block& block) { return block_name(program, block, instruction, with_chunk); },
                               [](const OperatorWork& work) { return std::string(work.op.name); },
                               [](const HostIssue&) { return std::string("host issue"); },
                               [](const HostUpdate&) { return std::string("optimizer on the host"); },
                               [](const HostCopy& copy) { return fmt::format("copy {}", copy.label); },
                               [](const Collective& collective) {
                                 return collective.label.empty()
                                            ? fmt::format("{} {}", name(collective.kind), name(collective.axis))
                                            : fmt::format("{} {}", name(collective.kind), collective.label);
                               },
                               [&](const Send&) { return transfer_name("send", instruction, with_chunk); },
                               [&](const Receive&) { return transfer_name("receive", instruction, with_chunk); }},
                    program.works[static_cast<std::size_t>(instruction.work)]);
}

std::string_view slice_category(const Instruction& instruction) {
  switch (instruction.phase) {
    case Phase::forward:
      return "forward";
    case Phase::backward:
      return "backward";
    case Phase::weight:
      return "weight gradient";
    case Phase::gradient_sync:
      return "gradient synchronisation";
    case Phase::optimizer:
      return "optimizer";
    case Phase::parameter_gather:
      return "parameter gather";
    case Phase::host:
      return "host";
    case Phase::offload:
      return "offload";
  }
  return "?";
}

std::vector<SliceArgument> slice_arguments(const StepProgram& program, const Instruction& instruction) {
  std::vector<SliceArgument> arguments;
  if (instruction.micro_batch >= 0) {
    arguments.emplace_back("micro batch", std::int64_t{instruction.micro_batch});
    arguments.emplace_back("chunk", std::int64_t{instruction.chunk});
  }
  const auto add_transfer = [&](Bytes bytes, int path) {
    arguments.emplace_back("bytes", static_cast<std::int64_t>(bytes.value));
    add_path(arguments, program, path);
  };
  std::visit(Overloaded{[&](const Block& block) { arguments.emplace_back("segments", segments_text(program, block)); },
                        [](const OperatorWork&) {}, [](const HostIssue&) {},
                        [&](const HostUpdate& update) {
                          arguments.emplace_back("bytes", static_cast<std::int64_t>(update.bytes.value));
                        },
                        [&](const HostCopy& copy) { add_transfer(copy.bytes, copy.path); },
                        [&](const Collective& collective) {
                          add_transfer(collective.bytes, collective.path);
                          arguments.emplace_back("group size", group_size(program, collective.path));
                          arguments.emplace_back("collective", std::string(name(collective.kind)));
                        },
                        [&](const Send& send) { add_transfer(send.bytes, send.path); },
                        [&](const Receive& receive) { add_transfer(receive.bytes, receive.path); }},
             program.works[static_cast<std::size_t>(instruction.work)]);
  return arguments;
}

bool has_chunks(const StepProgram& program) {
  return std::any_of(program.kinds.begin(), program.kinds.end(), [](const RankKind& kind) {
    return std::any_of(kind.instructions.begin(), kind.instructions.end(),
                       [](const Instruction& i) { return i.chunk > 0; });
  });
}

}  // namespace trainyard
