#include "analysis/trace/kineto_groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "models/collective_cost.hpp"

namespace trainyard {
namespace {

// PyTorch's kTruncatLength (torch/csrc/profiler/util.cpp).
constexpr std::size_t most_ranks_listed = 30;

// Group numbers: one range per kind of group, in it the first member, which no other group of the kind has.
constexpr int numbers_per_kind = 1'000'000;
constexpr int pipeline_numbers = comm_groups;

std::string_view description(CommGroup group) {
  switch (group) {
    case CommGroup::tp:
      return "TENSOR_MODEL_PARALLEL_GROUP";
    case CommGroup::cp:
      return "CONTEXT_PARALLEL_GROUP";
    case CommGroup::cp_inner:
      return "HIERARCHICAL_CONTEXT_PARALLEL_GROUPS";
    case CommGroup::ep:
      return "EXPERT_MODEL_PARALLEL_GROUP";
    case CommGroup::etp:
      return "EXPERT_TENSOR_PARALLEL_GROUP";
    case CommGroup::gradients:
      return "DATA_PARALLEL_GROUP_WITH_CP";
    case CommGroup::expert_gradients:
      return "EXPERT_DATA_PARALLEL_GROUP";
    case CommGroup::shard:
      return "INTRA_PARTIAL_DATA_PARALLEL_GROUP_WITH_CP";
    case CommGroup::replicas:
      return "INTER_PARTIAL_DATA_PARALLEL_GROUP_WITH_CP";
    case CommGroup::secondary:
      return "SECONDARY_PARTIAL_DATA_PARALLEL_GROUP";
    case CommGroup::embedding:
      return "EMBEDDING_GROUP";
    case CommGroup::mirror:
      return "PIPELINE_MIRROR_GROUP";
    case CommGroup::none:
    case CommGroup::world:
      return "INTRA_DISTRIBUTED_OPTIMIZER_INSTANCE_GROUP";
  }
  return "";
}

// What the program's path of this kind joins, or `otherwise`.
int size_on_path(const StepProgram& program, PathKind kind, int otherwise) {
  for (std::size_t p = 0; p < program.path_keys.size(); ++p)
    if (program.path_keys[p].kind == kind) return std::max(1, group_size(program.paths[p]));
  return otherwise;
}

CommunicationPaths group_sizes(const SimulatedStep& step) {
  CommunicationPaths sizes;
  sizes.cp_inner = size_on_path(step.program, PathKind::cp_inner, 1);
  sizes.shard_group = size_on_path(step.program, PathKind::shard, step.layout.dp * step.layout.cp);
  return sizes;
}

void note(std::vector<int>& stages, int channel, int stage) {
  const auto at = static_cast<std::size_t>(channel);
  if (stages.size() <= at) stages.resize(at + 1, -1);
  stages[at] = stage;
}

std::optional<int> stage_of(const std::vector<int>& stages, int channel) {
  const auto at = static_cast<std::size_t>(channel);
  if (at >= stages.size() || stages[at] < 0) return std::nullopt;
  return stages[at];
}

}  // namespace

std::string ranks_text(const std::vector<RankId>& ranks, bool whole) {
  const bool cut = !whole && ranks.size() > most_ranks_listed;
  const std::size_t listed = cut ? most_ranks_listed - 1 : ranks.size();
  std::string text = "[";
  for (std::size_t i = 0; i < listed; ++i) text += fmt::format("{}{}", i == 0 ? "" : ", ", ranks[i].value);
  if (cut) text += fmt::format(", ..., {}", ranks.back().value);
  return text + "]";
}

ProcessGroups::ProcessGroups(const Job& job, const SimulatedStep& step)
    : step_(step), sizes_(group_sizes(step)), groups_(step.plan, step.layout, sizes_, job.model.moe.has_value()) {
  for (const RankKind& kind : step.program.kinds)
    for (const Instruction& instruction : kind.instructions) {
      const Work& work = step.program.works[static_cast<std::size_t>(instruction.work)];
      if (const auto* send = std::get_if<Send>(&work)) note(sender_stage_, send->channel, kind.stage.value);
      if (const auto* receive = std::get_if<Receive>(&work)) note(receiver_stage_, receive->channel, kind.stage.value);
    }
}

ProcessGroup ProcessGroups::of(CommGroup group, RankId rank) const {
  if (group == CommGroup::none) group = CommGroup::world;
  if (group == CommGroup::shard && sizes_.shard_group >= step_.layout.dp * step_.layout.cp)
    group = CommGroup::gradients;
  ProcessGroup result;
  result.description = description(group);
  result.ranks = groups_.members(group, rank);
  std::sort(result.ranks.begin(), result.ranks.end());
  result.name = fmt::format("{}", static_cast<int>(group) * numbers_per_kind + result.ranks.front().value);
  return result;
}

ProcessGroup ProcessGroups::of(Axis axis, RankId rank) const {
  return of(axis == Axis::cp ? CommGroup::cp : axis == Axis::ep ? CommGroup::ep : CommGroup::tp, rank);
}

ProcessGroup ProcessGroups::pipeline(RankId rank) const {
  ProcessGroup result;
  result.description = "PIPELINE_MODEL_PARALLEL_GROUP";
  const RankGroup group = step_.layout.group(Axis::pp, rank);
  for (int i = 0; i < group.size; ++i) result.ranks.push_back(group.at(i));
  std::sort(result.ranks.begin(), result.ranks.end());
  result.name = fmt::format("{}", pipeline_numbers * numbers_per_kind + result.ranks.front().value);
  return result;
}

std::optional<RankId> ProcessGroups::sender(int channel, RankId rank) const {
  const std::optional<int> stage = stage_of(sender_stage_, channel);
  return stage ? std::optional(groups_.in_stage(rank, *stage)) : std::nullopt;
}

std::optional<RankId> ProcessGroups::receiver(int channel, RankId rank) const {
  const std::optional<int> stage = stage_of(receiver_stage_, channel);
  return stage ? std::optional(groups_.in_stage(rank, *stage)) : std::nullopt;
}

std::vector<ProcessGroup> ProcessGroups::used(RankId rank, std::size_t kind) const {
  std::array<bool, comm_groups> seen{};
  bool messages = false;
  std::vector<ProcessGroup> result;
  for (const Instruction& instruction : step_.program.kinds[kind].instructions) {
    const Work& work = step_.program.works[static_cast<std::size_t>(instruction.work)];
    messages = messages || std::holds_alternative<Send>(work) || std::holds_alternative<Receive>(work);
    const auto* collective = std::get_if<Collective>(&work);
    if (collective == nullptr) continue;
    const CommGroup group = collective->group == CommGroup::none ? CommGroup::world : collective->group;
    if (!std::exchange(seen[static_cast<std::size_t>(group)], true)) result.push_back(of(group, rank));
  }
  if (messages) result.push_back(pipeline(rank));
  return result;
}

}  // namespace trainyard
