#include "analysis/trace/kineto_arguments.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/trace/kineto_names.hpp"

namespace trainyard {
namespace {

std::int64_t elements(Bytes bytes, DataType type) {
  return static_cast<std::int64_t>(bytes.value / bytes_per_element(type));
}

std::string group_arguments(const ProcessGroup& group) {
  return fmt::format(
      R"("Process Group Name": "{}", "Process Group Description": "{}", "Process Group Ranks": "{}", "Group size": {})",
      group.name, group.description, ranks_text(group.ranks, false), group.ranks.size());
}

struct Elements {
  std::int64_t in = 0, out = 0;
};
// Sizes are NCCL's: of a gather and a scatter the whole buffer, of which a rank has its share.
Elements elements_of(CollectiveKind kind, Bytes bytes, DataType type, std::size_t ranks) {
  const std::int64_t all = elements(bytes, type),
                     own = all / static_cast<std::int64_t>(std::max<std::size_t>(1, ranks));
  if (kind == CollectiveKind::all_gather) return {own, all};
  if (kind == CollectiveKind::reduce_scatter) return {all, own};
  return {all, all};
}

std::string message_arguments(std::string_view collective, const Elements& size, DataType type) {
  return fmt::format(
      R"("Collective name": "{}", "In msg nelems": {}, "Out msg nelems": {}, "dtype": "{}", "In split size": "[]", "Out split size": "[]")",
      collective, size.in, size.out, torch_name(type));
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      result += c;
  }
  return result;
}

const KernelText& KernelTexts::of(const SimulatedKernel& kernel, const Instruction& instruction) {
  const auto [known, added] = known_.try_emplace({instruction.work, kernel.part});
  if (added) known->second = make(kernel, instruction);
  return known->second;
}

KernelText KernelTexts::make(const SimulatedKernel& kernel, const Instruction& instruction) const {
  const Work& work = subject_.step->program.works[static_cast<std::size_t>(instruction.work)];
  if (const auto* op = std::get_if<OperatorWork>(&work))
    return {escaped(kernel_name(*subject_.job, *op, instruction.phase)),
            fmt::format(R"("Operator": "{}")", escaped(op->op.name))};
  if (const auto* c = std::get_if<Collective>(&work)) return collective(*c, work);
  if (const auto* send = std::get_if<Send>(&work)) return message(work, true, send->channel, send->bytes, send->path);
  if (const auto* receive = std::get_if<Receive>(&work))
    return message(work, false, receive->channel, receive->bytes, receive->path);
  if (const auto* copy = std::get_if<HostCopy>(&work)) {
    const bool out = instruction.stream == Stream::to_host;
    return {out ? "Memcpy DtoH (Device -> Pinned)" : "Memcpy HtoD (Pinned -> Device)",
            fmt::format(R"("bytes": {})", static_cast<std::int64_t>(copy->bytes.value))};
  }
  return block_part(kernel.part);
}

KernelText KernelTexts::collective(const Collective& c, const Work& work) const {
  const SimulatedStep& step = *subject_.step;
  const Profile& profile = subject_.job->profile;
  const DataType type = wire_type(*subject_.job, step, work);
  const ProcessGroup group = subject_.groups->of(c.group, subject_.rank.rank);
  const CollectiveCost cost = collective_cost(c.kind, c.bytes, step.program.paths[static_cast<std::size_t>(c.path)],
                                              profile.device, profile.network, c.outside);
  KernelText text;
  text.name = collective_kernel_name(c.kind, type, cost);
  text.arguments =
      fmt::format(R"({}, {}, "Purpose": "{}", "Algorithm": "{}", "Slowest link": "{}")",
                  message_arguments(torch_name(c.kind), elements_of(c.kind, c.bytes, type, group.ranks.size()), type),
                  group_arguments(group), escaped(c.label), cost.algorithm, name(cost.slowest_link));
  return text;
}

KernelText KernelTexts::message(const Work& work, bool sends, int channel, Bytes bytes, int path) const {
  const RankId own = subject_.rank.rank;
  const DataType type = wire_type(*subject_.job, *subject_.step, work);
  const ProcessGroup group = subject_.groups->pipeline(own);
  const std::int64_t size = elements(bytes, type);
  const RankId from = subject_.groups->sender(channel, own).value_or(own);
  const RankId to = subject_.groups->receiver(channel, own).value_or(own);
  const std::vector<Tier>& tiers = subject_.step->program.paths[static_cast<std::size_t>(path)];
  const std::string_view link = tiers.empty() ? std::string_view{} : name(tiers.back().link);
  KernelText text;
  text.name = collective_kernel_name(CollectiveKind::send_receive, type, {});
  text.arguments = fmt::format(R"({}, {}, "Src Rank": {}, "Dst Rank": {}, "Slowest link": "{}")",
                               message_arguments(sends ? "send" : "recv", {size, size}, type), group_arguments(group),
                               from.value, to.value, link);
  return text;
}

KernelText KernelTexts::block_part(KernelPart part) const {
  const std::optional<Axis> axis = part == KernelPart::tp   ? std::optional(Axis::tp)
                                   : part == KernelPart::cp ? std::optional(Axis::cp)
                                   : part == KernelPart::ep ? std::optional(Axis::ep)
                                                            : std::nullopt;
  return {part_kernel_name(part), axis ? group_arguments(subject_.groups->of(*axis, subject_.rank.rank)) : ""};
}

}  // namespace trainyard
