#include "sim/plan/comm_groups.hpp"

#include <algorithm>
#include <array>

namespace trainyard {
namespace {

std::vector<RankId> listed(const RankGroup& group) {
  std::vector<RankId> ranks;
  ranks.reserve(static_cast<std::size_t>(group.size));
  for (int i = 0; i < group.size; ++i) ranks.push_back(group.at(i));
  return ranks;
}

// count ranks of a list: first, first + stride, …
std::vector<RankId> strided(const std::vector<RankId>& all, std::size_t first, std::size_t count, std::size_t stride) {
  std::vector<RankId> ranks;
  ranks.reserve(count);
  for (std::size_t i = 0; i < count; ++i) ranks.push_back(all[first + i * stride]);
  return ranks;
}

}  // namespace

std::string_view name(CommGroup group) {
  constexpr std::array<std::string_view, comm_groups> names = {"none",
                                                               "tensor-parallel",
                                                               "context-parallel",
                                                               "inner context-parallel",
                                                               "expert-parallel",
                                                               "expert-tensor-parallel",
                                                               "data-parallel",
                                                               "expert-data-parallel",
                                                               "sharding",
                                                               "replica",
                                                               "secondary sharding",
                                                               "embedding",
                                                               "mirror",
                                                               "world"};
  return names[static_cast<std::size_t>(group)];
}

CommGroup comm_group(LayerGroup group) {
  switch (group) {
    case LayerGroup::tp:
      return CommGroup::tp;
    case LayerGroup::etp:
      return CommGroup::etp;
    case LayerGroup::cp:
      return CommGroup::cp;
    case LayerGroup::cp_inner:
      return CommGroup::cp_inner;
    case LayerGroup::ep:
      return CommGroup::ep;
  }
  return CommGroup::none;
}

CommGroups::CommGroups(const Plan& plan, const RankLayout& layout, const CommunicationPaths& paths, bool moe)
    : layout_(&layout),
      experts_(moe ? expert_grid(plan, layout.world_size()) : ExpertGrid{}),
      cp_inner_(paths.cp_inner),
      shard_(paths.shard_group),
      secondary_(std::max(plan.sharding.secondary_group, plan.sharding.reshard_group)) {}

RankId CommGroups::in_stage(RankId rank, int stage) const {
  RankCoordinates at = layout_->coordinates(rank);
  at.pp = stage;
  return layout_->rank(at);
}

std::vector<RankId> CommGroups::members(CommGroup group, RankId rank) const {
  switch (group) {
    case CommGroup::none:
      return {rank};
    case CommGroup::tp:
      return listed(layout_->group(Axis::tp, rank));
    case CommGroup::cp:
    case CommGroup::cp_inner:
      return context_group(group, rank);
    case CommGroup::ep:
      return listed(experts_.group(Axis::ep, rank));
    case CommGroup::etp:
      return listed(experts_.group(Axis::tp, rank));
    case CommGroup::expert_gradients:
      return listed(experts_.group(Axis::dp, rank));
    case CommGroup::gradients:
    case CommGroup::shard:
    case CommGroup::replicas:
    case CommGroup::secondary:
      return gradient_group(group, rank);
    case CommGroup::embedding:
      return {in_stage(rank, 0), in_stage(rank, layout_->pp - 1)};
    case CommGroup::mirror: {
      const int stage = layout_->coordinates(rank).pp, other = layout_->pp - 1 - stage;
      return {in_stage(rank, std::min(stage, other)), in_stage(rank, std::max(stage, other))};
    }
    case CommGroup::world: {
      std::vector<RankId> all;
      for (int r = 0; r < layout_->world_size(); ++r) all.emplace_back(r);
      return all;
    }
  }
  return {rank};
}

// Hierarchical context parallelism: neighbours exchange all to all, every cp_inner-th rank forms a ring.
std::vector<RankId> CommGroups::context_group(CommGroup group, RankId rank) const {
  const std::vector<RankId> all = listed(layout_->group(Axis::cp, rank));
  const auto at = static_cast<std::size_t>(layout_->coordinates(rank).cp), inner = static_cast<std::size_t>(cp_inner_);
  if (group == CommGroup::cp_inner) return strided(all, at / inner * inner, inner, 1);
  return strided(all, at % inner, all.size() / inner, inner);
}

std::vector<RankId> CommGroups::gradient_group(CommGroup group, RankId rank) const {
  std::vector<RankId> all = layout_->gradient_group(rank);
  const auto at = static_cast<std::size_t>(std::find(all.begin(), all.end(), rank) - all.begin());
  const auto shard = static_cast<std::size_t>(shard_), secondary = static_cast<std::size_t>(std::max(1, secondary_));
  if (group == CommGroup::shard && shard < all.size()) return strided(all, at / shard * shard, shard, 1);
  if (group == CommGroup::replicas) return strided(all, at % shard, all.size() / shard, shard);
  if (group == CommGroup::secondary) return strided(all, at / secondary * secondary, secondary, 1);
  return all;
}

}  // namespace trainyard
