// The communicators of a job: which ranks meet in which collective.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "models/operators.hpp"
#include "sim/plan/communication_paths.hpp"
#include "sim/plan/expert_grid.hpp"
#include "sim/plan/rank_layout.hpp"

namespace trainyard {

// Who takes part in a collective. `none`: the ranks that run the instruction, each alone.
enum class CommGroup : std::uint8_t {
  none,
  tp,
  cp,
  cp_inner,
  ep,
  etp,
  gradients,         // data x context parallel
  expert_gradients,  // replicas of an expert shard
  shard,             // ranks that share one copy of the states
  replicas,          // of such a copy
  secondary,         // the smaller group of backward gathers
  embedding,         // the same rank of the first and the last stage
  mirror,            // the same rank of the stage that holds the other copy of a bidirectional pipeline
  world
};
inline constexpr int comm_groups = 14;
std::string_view name(CommGroup group);
CommGroup comm_group(LayerGroup group);

class CommGroups {
 public:
  // `plan` is resolved and is the one that was laid out; the layout must outlive this.
  CommGroups(const Plan& plan, const RankLayout& layout, const CommunicationPaths& paths, bool moe);

  // The members of the group of this kind that contains the rank, in ring order; the rank alone for `none`.
  std::vector<RankId> members(CommGroup group, RankId rank) const;
  // The rank with the same coordinates in another stage.
  RankId in_stage(RankId rank, int stage) const;
  const RankLayout& layout() const { return *layout_; }

 private:
  std::vector<RankId> context_group(CommGroup group, RankId rank) const;
  std::vector<RankId> gradient_group(CommGroup group, RankId rank) const;

  const RankLayout* layout_;
  ExpertGrid experts_;
  int cp_inner_;
  int shard_;
  int secondary_;
};

}  // namespace trainyard
