#include "sim/plan/communication_paths.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <utility>

#include "sim/plan/expert_grid.hpp"
#include "sim/plan/schedule.hpp"
#include "topology/group_path.hpp"

namespace trainyard {
namespace {

// Bandwidth of a ring over the tiers; the measure by which groups are compared.
double ring_bandwidth(const TierPath& path) {
  double worst = std::numeric_limits<double>::infinity();
  double inner = 1;
  for (const Tier& tier : path) {
    worst = std::min(worst, inner * tier.bandwidth.value);
    inner *= tier.ranks;
  }
  return worst;
}

// Groups whose members sit alike (same GPUs of their nodes, same distances between nodes, leaves and NVLink domains)
// cross the same links: each such pattern is asked for once per layout.
class PathsByPattern {
 public:
  explicit PathsByPattern(const Routes& routes) : routes_(routes) {}

  const TierPath& path(const std::vector<DeviceId>& devices) {
    pattern_.clear();
    const Cluster& cluster = routes_.cluster();
    const NodeId first = cluster.node_of(devices.front());
    for (const DeviceId d : devices) {
      const NodeId node = cluster.node_of(d);
      pattern_.push_back(cluster.local_index(d));
      if (node == first) continue;
      pattern_.push_back(first.value - node.value);
      pattern_.push_back(routes_.leaf(first) - routes_.leaf(node));
      pattern_.push_back(routes_.nvlink_domain(first) - routes_.nvlink_domain(node));
    }
    for (const Known& known : known_)
      if (known.pattern == pattern_) return known.path;
    known_.push_back({pattern_, group_path(routes_, devices).tiers});
    return known_.back().path;
  }

 private:
  struct Known {
    std::vector<int> pattern;
    TierPath path;
  };
  const Routes& routes_;
  std::vector<int> pattern_;
  std::deque<Known> known_;
};

// The path with the least bandwidth of those considered.
class Slowest {
 public:
  void consider(const TierPath& path) {
    if (path_ != nullptr && (path_ == &path || ring_bandwidth(path) >= ring_bandwidth(*path_))) return;
    path_ = &path;
  }
  TierPath get() const { return path_ == nullptr ? TierPath{} : *path_; }

 private:
  const TierPath* path_ = nullptr;
};

// Collects the slowest path of every kind of group of one stage.
class StageGroups {
 public:
  StageGroups(const Plan& plan, const RankLayout& layout, const ExpertGrid& experts, PathsByPattern& paths,
              const CommunicationPaths& sizes, bool moe, int stage)
      : plan_(plan), layout_(layout), experts_(experts), paths_(paths), sizes_(sizes), moe_(moe), stage_(stage) {
    const ScheduleRow* row = find_schedule(plan.schedule);
    mirrored_ = row != nullptr && row->copies > 1;
  }

  StagePaths find() {
    StagePaths found;
    dense_groups(found);
    gradient_groups(found);
    if (moe_) expert_groups(found);
    if (layout_.pp > 1) neighbours(found);
    return found;
  }

 private:
  DeviceId device(const RankCoordinates& at) const { return layout_.device[layout_.rank(at).index()]; }
  void consider(Slowest& slowest) {
    if (members_.size() > 1) slowest.consider(paths_.path(members_));
    members_.clear();
  }

  void dense_groups(StagePaths& found) {
    Slowest tp, cp, cp_inner;
    for (int dp = 0; dp < layout_.dp; ++dp) {
      for (int c = 0; c < layout_.cp; ++c) {
        for (int t = 0; t < layout_.tp; ++t) members_.push_back(device({t, c, dp, stage_}));
        consider(tp);
      }
      if (layout_.cp == 1) continue;
      const int inner = sizes_.cp_inner, outer = layout_.cp / inner;
      for (int t = 0; t < layout_.tp; ++t) {
        for (int i = 0; i < inner; ++i) {
          for (int o = 0; o < outer; ++o) members_.push_back(device({t, o * inner + i, dp, stage_}));
          consider(cp);
        }
        for (int o = 0; o < outer; ++o) {
          for (int i = 0; i < inner; ++i) members_.push_back(device({t, o * inner + i, dp, stage_}));
          consider(cp_inner);
        }
      }
    }
    found.tp = tp.get();
    found.cp = cp.get();
    found.cp_inner = cp_inner.get();
  }

  void gradient_groups(StagePaths& found) {
    Slowest whole, shard, replicas, secondary;
    for (int t = 0; t < layout_.tp; ++t) {
      const std::vector<RankId> ranks = layout_.gradient_group(layout_.rank({t, 0, 0, stage_}));
      const auto strided = [&](std::size_t first, std::size_t count, std::size_t stride, Slowest& slowest) {
        for (std::size_t i = 0; i < count; ++i) members_.push_back(layout_.device[ranks[first + i * stride].index()]);
        consider(slowest);
      };
      const std::size_t n = ranks.size(), group = static_cast<std::size_t>(sizes_.shard_group);
      strided(0, n, 1, whole);
      if (group < n) {
        for (std::size_t first = 0; first < n; first += group) strided(first, group, 1, shard);
        for (std::size_t first = 0; first < group; ++first) strided(first, n / group, group, replicas);
      }
      const std::size_t inner =
          static_cast<std::size_t>(std::max(plan_.sharding.secondary_group, plan_.sharding.reshard_group));
      for (std::size_t first = 0; inner > 1 && first < n; first += inner) strided(first, inner, 1, secondary);
    }
    found.gradients = whole.get();
    found.shard = sizes_.shard_group < layout_.dp * layout_.cp ? shard.get() : found.gradients;
    found.replicas = replicas.get();
    found.secondary = secondary.get();
  }

  void expert_groups(StagePaths& found) {
    const auto slowest = [&](int outer, int inner, int size, const auto& at) {
      Slowest s;
      for (int o = 0; o < outer; ++o)
        for (int i = 0; i < inner; ++i) {
          for (int k = 0; k < size; ++k) members_.push_back(layout_.device[experts_.rank(at(o, i, k)).index()]);
          consider(s);
        }
      return s.get();
    };
    const ExpertGrid& g = experts_;
    found.ep = slowest(g.edp, g.etp, g.ep, [&](int o, int i, int k) { return ExpertCoordinates{i, k, o, stage_}; });
    found.etp = slowest(g.edp, g.ep, g.etp, [&](int o, int i, int k) { return ExpertCoordinates{k, i, o, stage_}; });
    found.expert_gradients = slowest(g.ep, g.etp, g.edp, [&](int o, int i, int k) {
      return ExpertCoordinates{i, o, k, stage_};
    });
  }

  void neighbours(StagePaths& found) {
    const int next = (stage_ + 1) % layout_.pp, mirror = layout_.pp - 1 - stage_;
    Slowest to_next, to_mirror;
    for (int t = 0; t < layout_.tp; ++t)
      for (int dp = 0; dp < layout_.dp; ++dp) {
        members_ = {device({t, 0, dp, stage_}), device({t, 0, dp, next})};
        consider(to_next);
        if (!mirrored_ || mirror == stage_) continue;
        members_ = {device({t, 0, dp, stage_}), device({t, 0, dp, mirror})};
        consider(to_mirror);
      }
    found.next_stage = to_next.get();
    found.mirror = to_mirror.get();
  }

  const Plan& plan_;
  const RankLayout& layout_;
  const ExpertGrid& experts_;
  PathsByPattern& paths_;
  const CommunicationPaths& sizes_;
  bool moe_;
  bool mirrored_ = false;
  int stage_;
  std::vector<DeviceId> members_;
};

// The all-to-all part stays inside a node where the plan does not say otherwise.
int inner_context_parallel(const Plan& plan, const RankLayout& layout, const Cluster& cluster) {
  if (plan.context_parallel_kind != ContextParallelKind::hierarchical) return 1;
  if (plan.context_parallel_inner > 0) return plan.context_parallel_inner;
  int inner = 1;
  for (int n = 2; n <= layout.cp; ++n)
    if (layout.cp % n == 0 && layout.cp_stride * n <= cluster.gpus_per_node()) inner = n;
  return inner;
}

// Without a given size hybrid sharding stays inside a node.
int shard_group_size(const Plan& plan, const RankLayout& layout, const Cluster& cluster) {
  const int all = layout.dp * layout.cp;
  if (plan.sharding.group > 0) return plan.sharding.group;
  if (plan.data_parallel_kind != DataParallelKind::hsdp) return all;
  const std::vector<RankId> ranks = layout.gradient_group(RankId(0));
  const NodeId first = cluster.node_of(layout.device[ranks.front().index()]);
  int same_node = 0;
  while (same_node < all && cluster.node_of(layout.device[ranks[static_cast<std::size_t>(same_node)].index()]) == first)
    ++same_node;
  return all % same_node == 0 ? same_node : all;
}

TierPath host_path(const Cluster& cluster) { return {{1, LinkClass::phb, cluster.pcie_bandwidth, Seconds(0), false}}; }

int islands(const TierPath& path) {
  int n = 1;
  for (const Tier& tier : path)
    if (tier.link != LinkClass::nvlink) n *= tier.ranks;
  return n;
}

TierPath single_rail(const TierPath& path) {
  if (path.empty() || (path.back().link != LinkClass::net && path.back().link != LinkClass::spine)) return path;
  Tier ring = path.back();
  ring.ranks = 1;
  for (const Tier& tier : path) ring.ranks *= tier.ranks;
  return {ring};
}

const TierPath& path_of(const CommunicationPaths& paths, PathKind kind, int stage) {
  const StagePaths& p = paths.stages[static_cast<std::size_t>(stage)];
  switch (kind) {
    case PathKind::tp:
      return p.tp;
    case PathKind::cp:
      return p.cp;
    case PathKind::cp_inner:
      return p.cp_inner;
    case PathKind::ep:
      return p.ep;
    case PathKind::etp:
      return p.etp;
    case PathKind::gradients:
      return p.gradients;
    case PathKind::expert_gradients:
      return p.expert_gradients;
    case PathKind::shard:
      return p.shard;
    case PathKind::replicas:
      return p.replicas;
    case PathKind::secondary:
      return p.secondary;
    case PathKind::next_stage:
      return p.next_stage;
    case PathKind::mirror:
      return p.mirror;
    case PathKind::embedding:
      return paths.embedding;
    case PathKind::world:
      return paths.world;
    case PathKind::host:
      return paths.host;
  }
  return paths.world;
}

}  // namespace

TierPath path_at(const CommunicationPaths& paths, const PathKey& key) {
  const TierPath& path = path_of(paths, key.kind, key.stage);
  return key.single_rail ? single_rail(path) : path;
}

CommunicationPaths communication_paths(const Plan& plan, const RankLayout& layout, const Routes& routes, bool moe) {
  CommunicationPaths paths;
  const Cluster& cluster = routes.cluster();
  paths.cp_inner = inner_context_parallel(plan, layout, cluster);
  paths.shard_group = shard_group_size(plan, layout, cluster);
  paths.host = host_path(cluster);
  PathsByPattern patterns(routes);
  const ExpertGrid experts = moe ? expert_grid(plan, layout.world_size()) : ExpertGrid{};
  for (int stage = 0; stage < layout.pp; ++stage)
    paths.stages.push_back(StageGroups(plan, layout, experts, patterns, paths, moe, stage).find());
  paths.ep_nodes = islands(paths.stages.front().ep);
  if (layout.pp > 1)
    paths.embedding =
        group_path(routes, std::vector<DeviceId>{layout.device[layout.rank({0, 0, 0, 0}).index()],
                                                 layout.device[layout.rank({0, 0, 0, layout.pp - 1}).index()]})
            .tiers;
  if (layout.world_size() > 1) paths.world = group_path(routes, layout.device).tiers;
  return paths;
}

}  // namespace trainyard
