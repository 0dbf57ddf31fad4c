#include "analysis/trace/trace_flows.hpp"

#include <algorithm>
#include <limits>

#include "analysis/trace/trace_counters.hpp"
#include "sim/plan/communication_paths.hpp"

namespace trainyard {
namespace {

constexpr std::size_t nobody = std::numeric_limits<std::size_t>::max();

// Numbers of messages have the top bit clear, those of collectives have it set. A channel has two ends, a job at most
// some million ranks, a list at most some hundred million instructions.
std::uint64_t message_number(int channel, std::size_t sender, std::uint32_t call) {
  return (static_cast<std::uint64_t>(channel) + 1U) << 44U | static_cast<std::uint64_t>(sender) << 24U | call;
}
std::uint64_t member_number(std::size_t shown, std::size_t instruction) {
  return std::uint64_t{1} << 63U | static_cast<std::uint64_t>(shown) << 32U | instruction;
}

}  // namespace

TraceFlows::TraceFlows(const Job& job, const SimulatedStep& step, const std::vector<ShownRank>& ranks)
    : step_(step), ranks_(ranks) {
  for (std::size_t k = 0; k < step.program.kinds.size(); ++k) {
    std::map<std::pair<int, bool>, std::uint32_t> count;
    std::vector<std::uint32_t>& calls = calls_.emplace_back();
    for (const Instruction& i : step.program.kinds[k].instructions) {
      const Work& work = step.program.works[static_cast<std::size_t>(i.work)];
      calls.push_back(0);
      if (const auto* send = std::get_if<Send>(&work)) {
        calls.back() = count[{send->channel, true}]++;
        channels_[send->channel].sender_kind = k;
      } else if (const auto* receive = std::get_if<Receive>(&work)) {
        calls.back() = count[{receive->channel, false}]++;
        channels_[receive->channel].receiver_kind = k;
      }
    }
  }
  for (std::size_t shown = 0; shown < ranks.size(); ++shown) {
    shown_of_rank_.emplace(ranks[shown].rank, shown);
    if (ranks[shown].stands_for > 1) shown_of_kind_.emplace(ranks[shown].kind, shown);
  }
  for (std::size_t shown = 0; shown < ranks.size(); ++shown) {
    std::vector<std::size_t>& of = partners_.emplace_back();
    for (std::size_t k = 0; k < step.program.kinds.size(); ++k) of.push_back(partner(shown, k));
  }
  const bool alone = std::all_of(ranks.begin(), ranks.end(), [](const ShownRank& r) { return r.stands_for > 1; });
  if (alone) return;
  const bool moe = job.model.moe.has_value();
  groups_ = std::make_unique<CommGroups>(step.plan, step.layout,
                                         communication_paths(step.plan, step.layout, Routes(job.cluster), moe), moe);
}

// The shown rank with the same coordinates in another stage, or the one that stands for that stage.
std::size_t TraceFlows::partner(std::size_t shown, std::size_t kind) const {
  RankCoordinates at = step_.layout.coordinates(ranks_[shown].rank);
  at.pp = step_.program.kinds[kind].stage.value;
  if (const auto same = shown_of_rank_.find(step_.layout.rank(at)); same != shown_of_rank_.end()) return same->second;
  const auto stage = shown_of_kind_.find(kind);
  return stage == shown_of_kind_.end() ? nobody : stage->second;
}

const TraceFlows::Members& TraceFlows::members(std::size_t shown, CommGroup group) {
  const auto [known, added] = members_.try_emplace({shown, group});
  Members& members = known->second;
  if (!added) return members;
  for (const RankId rank : groups_->members(group, ranks_[shown].rank))
    if (const auto found = shown_of_rank_.find(rank);
        found != shown_of_rank_.end() && ranks_[found->second].kind == ranks_[shown].kind)
      members.shown.push_back(found->second);
  std::sort(members.shown.begin(), members.shown.end());
  members.one_list = std::all_of(members.shown.begin(), members.shown.end(),
                                 [&](std::size_t other) { return ranks_[other].list == ranks_[shown].list; });
  members.own = static_cast<std::size_t>(std::lower_bound(members.shown.begin(), members.shown.end(), shown) -
                                         members.shown.begin());
  return members;
}

FlowEnds TraceFlows::of_collective(std::size_t shown, std::size_t instruction, CommGroup group) {
  if (groups_ == nullptr || group == CommGroup::none) return {};
  const Members& all = members(shown, group);
  if (all.shown.size() < 2) return {};
  // The member that came just before this one, and whether one came after; those of one list come at the same time.
  std::size_t before = nobody;
  bool last = true;
  if (all.one_list) {
    if (all.own > 0) before = all.shown[all.own - 1];
    last = all.own + 1 == all.shown.size();
  } else {
    const auto came = [&](std::size_t member) {
      return std::pair(trace_nanoseconds(step_.timeline.spans[ranks_[member].list][instruction].start), member);
    };
    for (const std::size_t other : all.shown) {
      if (came(other) < came(shown) && (before == nobody || came(before) < came(other))) before = other;
      last = last && came(other) <= came(shown);
    }
  }
  FlowEnds ends;
  if (!last) ends.out = member_number(shown, instruction);
  if (before != nobody) ends.in = member_number(before, instruction);
  return ends;
}

FlowEnds TraceFlows::of(std::size_t shown, std::size_t instruction) {
  const std::size_t kind = ranks_[shown].kind;
  const Instruction& i = step_.program.kinds[kind].instructions[instruction];
  const Work& work = step_.program.works[static_cast<std::size_t>(i.work)];
  if (const auto* c = std::get_if<Collective>(&work))
    return c->parties > 1 ? FlowEnds{} : of_collective(shown, instruction, c->group);
  const std::uint32_t call = calls_[kind][instruction];
  if (const auto* send = std::get_if<Send>(&work)) {
    const std::size_t to = partners_[shown][channels_.at(send->channel).receiver_kind];
    return to == nobody ? FlowEnds{} : FlowEnds{message_number(send->channel, shown, call), 0};
  }
  if (const auto* receive = std::get_if<Receive>(&work)) {
    const std::size_t from = partners_[shown][channels_.at(receive->channel).sender_kind];
    return from == nobody ? FlowEnds{} : FlowEnds{0, message_number(receive->channel, from, call)};
  }
  return {};
}

}  // namespace trainyard
