// Steps written by hand on a real cluster: a few works on a few ranks, with the communicators of a real layout.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/engine/fluid_engine.hpp"
#include "sim/plan/check_plan.hpp"

namespace trainyard::testing {

class GroupStep {
 public:
  // A preset, changed by `edit` before its routes are made; the plan's degrees must fill it.
  GroupStep(const std::string& cluster, int nodes, const Plan& plan, void (*edit)(Cluster&) = nullptr);

  const StagePaths& paths(int stage = 0) const { return paths_.stages[static_cast<std::size_t>(stage)]; }
  const Profile& profile() const { return profile_; }
  const LinkMap& links() const { return *links_; }
  const RankLayout& layout() const { return layout_; }

  Collective collective(CommGroup group, CollectiveKind kind, Bytes bytes, const TierPath& tiers, Axis axis = Axis::dp);
  int path(const TierPath& tiers);

  // Appends an instruction to a stage's list; returns its index there.
  int add(int stage, Work work, Stream stream, std::vector<int> after = {});

  RankRuns run(LinkSharing sharing, Folding folding = Folding::on) const;
  Span span(const RankRuns& runs, int stage, int instruction) const;

  StepProgram program;

 private:
  Profile profile_;
  std::unique_ptr<Routes> routes_;
  std::unique_ptr<LinkMap> links_;
  Plan plan_;
  RankLayout layout_;
  CommunicationPaths paths_;
  std::unique_ptr<CommGroups> groups_;
};

}  // namespace trainyard::testing
