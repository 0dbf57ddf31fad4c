#include "tests/support/group_step.hpp"

#include <algorithm>

#include "models/profile_yaml.hpp"
#include "topology/cluster_yaml.hpp"

namespace trainyard::testing {
namespace {

Cluster edited(const std::string& name, int nodes, void (*edit)(Cluster&)) {
  Cluster cluster = read_cluster_file(name, nodes);
  if (edit != nullptr) edit(cluster);
  return cluster;
}

}  // namespace

GroupStep::GroupStep(const std::string& cluster_name, int nodes, const Plan& plan, void (*edit)(Cluster&))
    : plan_(plan) {
  const Cluster cluster = edited(cluster_name, nodes, edit);
  profile_ = load_profile(cluster.gpu, cluster.fabric.network, "megatron-core");
  routes_ = std::make_unique<Routes>(cluster);
  links_ = std::make_unique<LinkMap>(*routes_);
  layout_ = lay_out(plan_, cluster);
  paths_ = communication_paths(plan_, layout_, *routes_, plan_.expert_parallel > 1);
  groups_ = std::make_unique<CommGroups>(plan_, layout_, paths_, plan_.expert_parallel > 1);
  for (int stage = 0; stage < layout_.pp; ++stage) {
    RankKind& kind = program.kinds.emplace_back();
    kind.stage = StageId(stage);
    kind.ranks = layout_.world_size() / layout_.pp;
    kind.representative = layout_.rank({0, 0, 0, stage});
  }
}

int GroupStep::path(const TierPath& tiers) {
  program.paths.push_back(tiers);
  return static_cast<int>(program.paths.size()) - 1;
}

Collective GroupStep::collective(CommGroup group, CollectiveKind kind, Bytes bytes, const TierPath& tiers, Axis axis) {
  Collective c;
  c.axis = axis;
  c.kind = kind;
  c.bytes = bytes;
  c.path = path(tiers);
  c.group = group;
  return c;
}

int GroupStep::add(int stage, Work work, Stream stream, std::vector<int> after) {
  program.works.push_back(std::move(work));
  RankKind& kind = program.kinds[static_cast<std::size_t>(stage)];
  Instruction i;
  i.work = static_cast<std::int32_t>(program.works.size()) - 1;
  i.stream = stream;
  i.after_begin = static_cast<std::int32_t>(kind.after.size());
  i.after_count = static_cast<std::int32_t>(after.size());
  for (const int a : after) kind.after.emplace_back(a);
  kind.instructions.push_back(i);
  return static_cast<int>(kind.instructions.size()) - 1;
}

RankRuns GroupStep::run(LinkSharing sharing, Folding folding) const {
  const EngineContext context{&layout_, groups_.get(), links_.get(), &profile_};
  return run_every_rank(program, {&profile_, layout_.world_size(), plan_.tensor_parallel, false}, context, sharing,
                        folding);
}

Span GroupStep::span(const RankRuns& runs, int stage, int instruction) const {
  return runs.timeline
      .spans[list_of_kind(runs.timeline, static_cast<std::size_t>(stage))][static_cast<std::size_t>(instruction)];
}

}  // namespace trainyard::testing
