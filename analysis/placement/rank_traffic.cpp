#include "analysis/placement/rank_traffic.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "sim/plan/comm_groups.hpp"

namespace trainyard {
namespace {

constexpr std::array communicators = {
    CommGroup::tp,       CommGroup::cp,        CommGroup::cp_inner,         CommGroup::ep,
    CommGroup::etp,      CommGroup::gradients, CommGroup::expert_gradients, CommGroup::shard,
    CommGroup::replicas, CommGroup::secondary};
constexpr int neighbours_kind = static_cast<int>(communicators.size());
constexpr int kinds = neighbours_kind + 1;

bool only_of_experts(CommGroup kind) {
  return kind == CommGroup::ep || kind == CommGroup::etp || kind == CommGroup::expert_gradients;
}

Axis axis_of(CommGroup kind) {
  switch (kind) {
    case CommGroup::tp:
    case CommGroup::etp:
      return Axis::tp;
    case CommGroup::cp:
    case CommGroup::cp_inner:
      return Axis::cp;
    case CommGroup::ep:
      return Axis::ep;
    case CommGroup::none:
    case CommGroup::gradients:
    case CommGroup::expert_gradients:
    case CommGroup::shard:
    case CommGroup::replicas:
    case CommGroup::secondary:
    case CommGroup::embedding:
    case CommGroup::mirror:
    case CommGroup::world:
      break;
  }
  return Axis::dp;
}

// The groups of one kind; empty if they are those of an earlier kind (a shard group of all replicas).
std::vector<TrafficGroup> groups_of(int kind, const CommGroups& groups, const std::vector<TrafficGroup>& earlier) {
  const RankLayout& layout = groups.layout();
  std::vector<bool> seen(static_cast<std::size_t>(layout.world_size()), false);
  std::vector<TrafficGroup> found;
  for (int rank = 0; rank < layout.world_size(); ++rank) {
    if (seen[static_cast<std::size_t>(rank)]) continue;
    TrafficGroup group{kind, layout.coordinates(RankId(rank)).pp, {}};
    for (const RankId r : groups.members(communicators[static_cast<std::size_t>(kind)], RankId(rank))) {
      seen[r.index()] = true;
      group.ranks.push_back(r.value);
    }
    if (group.ranks.size() < 2) continue;
    const auto same = [&](const TrafficGroup& g) { return g.ranks == group.ranks; };
    if (found.empty() && std::any_of(earlier.begin(), earlier.end(), same)) return {};
    found.push_back(std::move(group));
  }
  return found;
}

void add_neighbours(const Plan& plan, const RankLayout& layout, RankTraffic& traffic) {
  const int boundaries = plan.virtual_stages > 1 && layout.pp > 2 ? layout.pp : layout.pp - 1;
  for (int rank = 0; rank < layout.world_size(); ++rank) {
    RankCoordinates at = layout.coordinates(RankId(rank));
    const int stage = at.pp;
    if (stage >= boundaries) continue;
    at.pp = (stage + 1) % layout.pp;
    traffic.groups.push_back({neighbours_kind, stage, {rank, layout.rank(at).value}});
  }
}

// A line that sums several collectives names them all, the first one first.
CollectiveKind first_collective(std::string_view words) {
  for (const CollectiveKind kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather,
                                    CollectiveKind::reduce_scatter, CollectiveKind::all_to_all})
    if (words.starts_with(name(kind))) return kind;
  return CollectiveKind::all_reduce;
}

}  // namespace

RankTraffic traffic_groups(const Plan& plan, const RankLayout& layout, const Routes& routes, bool moe) {
  RankTraffic traffic;
  traffic.ranks = layout.world_size();
  traffic.stages = layout.pp;
  traffic.messages.resize(kinds);
  const CommGroups groups(plan, layout, communication_paths(plan, layout, routes, moe), moe);
  for (int kind = 0; kind < neighbours_kind; ++kind) {
    const CommGroup communicator = communicators[static_cast<std::size_t>(kind)];
    if (only_of_experts(communicator) && !moe) continue;
    if (communicator == CommGroup::secondary &&
        std::max(plan.sharding.secondary_group, plan.sharding.reshard_group) < 2)
      continue;
    for (TrafficGroup& group : groups_of(kind, groups, traffic.groups)) traffic.groups.push_back(std::move(group));
  }
  add_neighbours(plan, layout, traffic);
  return traffic;
}

void add_messages(RankTraffic& traffic, const std::vector<CommunicationLine>& lines) {
  for (std::vector<Message>& messages : traffic.messages) messages.clear();
  std::vector<int> size(traffic.messages.size(), 0);
  for (const TrafficGroup& g : traffic.groups)
    size[static_cast<std::size_t>(g.kind)] = static_cast<int>(g.ranks.size());
  for (const CommunicationLine& line : lines)
    for (std::size_t kind = 0; kind < traffic.messages.size(); ++kind) {
      const bool sends = kind == neighbours_kind;
      if (sends ? line.axis != Axis::pp : line.axis != axis_of(communicators[kind]) || line.group_size != size[kind])
        continue;
      traffic.messages[kind].push_back(
          {sends, first_collective(line.collective), line.bytes, static_cast<double>(line.count)});
      if (!sends) break;  // the first kind of this axis and size
    }
}

std::vector<PlacedGroup> placed_groups(const RankTraffic& traffic, const RankLayout& layout) {
  std::vector<PlacedGroup> placed;
  placed.reserve(traffic.groups.size() + static_cast<std::size_t>(traffic.stages));
  for (const TrafficGroup& group : traffic.groups) {
    PlacedGroup& on_devices = placed.emplace_back(PlacedGroup{group.kind, {}});
    for (const int rank : group.ranks) on_devices.devices.push_back(layout.device[static_cast<std::size_t>(rank)]);
  }
  const std::size_t first_stage = placed.size();
  for (int stage = 0; stage < traffic.stages; ++stage) placed.push_back({kinds + stage, {}});
  for (int rank = 0; rank < traffic.ranks; ++rank) {
    const int stage = layout.coordinates(RankId(rank)).pp;
    placed[first_stage + static_cast<std::size_t>(stage)].devices.push_back(
        layout.device[static_cast<std::size_t>(rank)]);
  }
  return placed;
}

}  // namespace trainyard
