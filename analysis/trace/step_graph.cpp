#include "analysis/trace/step_graph.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

namespace trainyard {
namespace {

constexpr double time_resolution = 1e-12;  // seconds; below it two times are the same

}  // namespace

StepGraph::StepGraph(const SimulatedStep& step) : step_(&step), of_kind_(step.program.kinds.size()) {
  const StepProgram& program = step.program;
  for (std::size_t list = 0; list < step.timeline.spans.size(); ++list)
    of_kind_[kind_of_list(step.timeline, list)].push_back(list);
  for (std::size_t k = 0; k < program.kinds.size(); ++k) {
    const std::vector<Instruction>& instructions = program.kinds[k].instructions;
    Kind kind{std::vector<std::int32_t>(instructions.size(), -1), std::vector<std::int32_t>(instructions.size(), -1)};
    std::array<std::int32_t, streams> last;
    last.fill(-1);
    for (std::size_t i = 0; i < instructions.size(); ++i) {
      const auto id = static_cast<std::int32_t>(i);
      kind.previous[i] = std::exchange(last[static_cast<std::size_t>(instructions[i].stream)], id);
      const auto note = [&](Calls& calls) {
        calls.kind = k;
        kind.call[i] = static_cast<std::int32_t>(calls.instructions.size());
        calls.instructions.push_back(id);
      };
      const Work& work = program.works[static_cast<std::size_t>(instructions[i].work)];
      if (const auto* send = std::get_if<Send>(&work)) note(sends_[send->channel]);
      if (const auto* receive = std::get_if<Receive>(&work)) note(receives_[receive->channel]);
      if (const auto* c = std::get_if<Collective>(&work); c != nullptr && c->parties > 1) {
        std::vector<Calls>& parties = rendezvous_[c->rendezvous];
        if (parties.empty() || parties.back().kind != k) parties.emplace_back();
        note(parties.back());
      }
    }
    kinds_.push_back(std::move(kind));
  }
}

const Span& StepGraph::span(InstructionAt at) const {
  return step_->timeline.spans[static_cast<std::size_t>(at.list)][static_cast<std::size_t>(at.instruction)];
}

const Instruction& StepGraph::instruction(InstructionAt at) const {
  const std::size_t kind = kind_of_list(step_->timeline, static_cast<std::size_t>(at.list));
  return step_->program.kinds[kind].instructions[static_cast<std::size_t>(at.instruction)];
}

// The list of the rank with the same coordinates in another stage.
std::size_t StepGraph::list_in(std::size_t kind, std::size_t list) const {
  const Timeline& timeline = step_->timeline;
  if (timeline.list_of_rank.empty()) return kind;
  RankCoordinates at = step_->layout.coordinates(timeline.lists[list].representative);
  at.pp = step_->program.kinds[kind].stage.value;
  return static_cast<std::size_t>(timeline.list_of_rank[step_->layout.rank(at).index()]);
}

std::optional<InstructionAt> StepGraph::other_end(InstructionAt at) const {
  const auto list = static_cast<std::size_t>(at.list);
  const std::int32_t call = kinds_[kind_of_list(step_->timeline, list)].call[static_cast<std::size_t>(at.instruction)];
  const Work& work = step_->program.works[static_cast<std::size_t>(instruction(at).work)];
  const Calls* calls = nullptr;
  if (const auto* send = std::get_if<Send>(&work)) {
    const auto other = receives_.find(send->channel);
    if (other != receives_.end()) calls = &other->second;
  } else if (const auto* receive = std::get_if<Receive>(&work)) {
    const auto other = sends_.find(receive->channel);
    if (other != sends_.end()) calls = &other->second;
  }
  if (calls == nullptr || static_cast<std::size_t>(call) >= calls->instructions.size()) return std::nullopt;
  return InstructionAt{static_cast<std::int32_t>(list_in(calls->kind, list)),
                       calls->instructions[static_cast<std::size_t>(call)]};
}

void StepGraph::consider(InstructionAt at, std::optional<InstructionAt>& latest) const {
  if (!latest || span(at).end > span(*latest).end) latest = at;
}

void StepGraph::consider_predecessors(InstructionAt at, std::optional<InstructionAt>& latest) const {
  const std::size_t k = kind_of_list(step_->timeline, static_cast<std::size_t>(at.list));
  const RankKind& kind = step_->program.kinds[k];
  const Instruction& i = kind.instructions[static_cast<std::size_t>(at.instruction)];
  const std::int32_t previous = kinds_[k].previous[static_cast<std::size_t>(at.instruction)];
  if (previous >= 0) consider({at.list, previous}, latest);
  for (std::int32_t a = 0; a < i.after_count; ++a)
    consider({at.list, kind.after[static_cast<std::size_t>(i.after_begin + a)].value}, latest);
}

void StepGraph::consider_other_stages(InstructionAt at, std::optional<InstructionAt>& latest) const {
  if (const std::optional<InstructionAt> other = other_end(at)) consider_predecessors(*other, latest);
  const auto* c = std::get_if<Collective>(&step_->program.works[static_cast<std::size_t>(instruction(at).work)]);
  if (c == nullptr || c->parties <= 1) return;
  const auto list = static_cast<std::size_t>(at.list);
  const std::size_t own = kind_of_list(step_->timeline, list);
  const auto call = static_cast<std::size_t>(kinds_[own].call[static_cast<std::size_t>(at.instruction)]);
  for (const Calls& party : rendezvous_.at(c->rendezvous))
    if (party.kind != own && call < party.instructions.size())
      for (const std::size_t other : of_kind_[party.kind]) {
        std::optional<InstructionAt> there;
        consider_predecessors({static_cast<std::int32_t>(other), party.instructions[call]}, there);
        // Ranks of other communicators may be later.
        if (there && span(*there).end.value <= span(at).start.value + time_resolution) consider(*there, latest);
      }
}

// The same instruction elsewhere in the stage, where it waited just as long.
void StepGraph::consider_other_ranks(InstructionAt at, std::optional<InstructionAt>& latest) const {
  const double start = span(at).start.value;
  for (const std::size_t list : of_kind_[kind_of_list(step_->timeline, static_cast<std::size_t>(at.list))]) {
    if (list == static_cast<std::size_t>(at.list)) continue;
    std::optional<InstructionAt> there;
    const InstructionAt same{static_cast<std::int32_t>(list), at.instruction};
    consider_predecessors(same, there);
    consider_other_stages(same, there);
    if (there && span(*there).end.value <= start + time_resolution) consider(*there, latest);
  }
}

std::optional<InstructionAt> StepGraph::waited_for(InstructionAt at) const {
  std::optional<InstructionAt> latest;
  consider_predecessors(at, latest);
  consider_other_stages(at, latest);
  if (step_->timeline.lists.empty()) return latest;
  if (!latest || span(*latest).end.value < span(at).start.value - time_resolution) consider_other_ranks(at, latest);
  return latest;
}

std::vector<InstructionAt> StepGraph::critical_path() const {
  std::optional<InstructionAt> at;
  for (std::size_t list = 0; list < step_->timeline.spans.size(); ++list)
    for (std::size_t i = 0; i < step_->timeline.spans[list].size(); ++i)
      consider({static_cast<std::int32_t>(list), static_cast<std::int32_t>(i)}, at);
  std::vector<InstructionAt> path;
  while (at) {
    path.push_back(*at);
    at = waited_for(*at);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace trainyard
