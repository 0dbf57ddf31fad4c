#include "sim/plan/communication_paths.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <utility>

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

StagePaths stage_paths(const RankLayout& layout, PathsByPattern& paths, int stage) {
  Slowest slowest_tp, slowest_gradients, slowest_next;
  std::vector<DeviceId> devices;
  const auto device = [&](const RankCoordinates& at) { return layout.device[layout.rank(at).index()]; };
  const int next = (stage + 1) % layout.pp;
  for (int dp = 0; dp < layout.dp; ++dp)
    for (int cp = 0; cp < layout.cp; ++cp) {
      devices.clear();
      for (int tp = 0; tp < layout.tp; ++tp) devices.push_back(device({tp, cp, dp, stage}));
      if (layout.tp > 1) slowest_tp.consider(paths.path(devices));
    }
  for (int tp = 0; tp < layout.tp; ++tp) {
    devices.clear();
    for (int dp = 0; dp < layout.dp; ++dp)
      for (int cp = 0; cp < layout.cp; ++cp) devices.push_back(device({tp, cp, dp, stage}));
    if (devices.size() > 1) slowest_gradients.consider(paths.path(devices));
    for (int dp = 0; dp < layout.dp && layout.pp > 1; ++dp)
      slowest_next.consider(paths.path({device({tp, 0, dp, stage}), device({tp, 0, dp, next})}));
  }
  return {slowest_tp.get(), slowest_gradients.get(), slowest_next.get()};
}

}  // namespace

CommunicationPaths communication_paths(const RankLayout& layout, const Routes& routes) {
  CommunicationPaths paths;
  PathsByPattern patterns(routes);
  for (int stage = 0; stage < layout.pp; ++stage) paths.stages.push_back(stage_paths(layout, patterns, stage));
  if (layout.pp > 1)
    paths.embedding =
        group_path(routes, std::vector<DeviceId>{layout.device[layout.rank({0, 0, 0, 0}).index()],
                                                 layout.device[layout.rank({0, 0, 0, layout.pp - 1}).index()]})
            .tiers;
  if (layout.world_size() > 1) paths.world = group_path(routes, layout.device).tiers;
  return paths;
}

}  // namespace trainyard
