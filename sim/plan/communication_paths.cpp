#include "sim/plan/communication_paths.hpp"

#include <algorithm>
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

// Groups whose members sit alike (same GPUs of their nodes, same distances between nodes and leaves) cross the same
// links: each such pattern is asked for once.
class SlowestPath {
 public:
  explicit SlowestPath(const Routes& routes) : routes_(routes) {}

  void consider(const std::vector<DeviceId>& devices) {
    pattern_.clear();
    const Cluster& cluster = routes_.cluster();
    const NodeId first = cluster.node_of(devices.front());
    for (const DeviceId d : devices) {
      const NodeId node = cluster.node_of(d);
      pattern_.push_back(cluster.local_index(d));
      pattern_.push_back(node.value - first.value);
      pattern_.push_back(routes_.leaf(node) - routes_.leaf(first));
      pattern_.push_back(routes_.nvlink_domain(node) - routes_.nvlink_domain(first));
    }
    if (std::find(seen_.begin(), seen_.end(), pattern_) != seen_.end()) return;
    seen_.push_back(pattern_);
    TierPath path = group_path(routes_, devices).tiers;
    if (seen_.size() == 1 || ring_bandwidth(path) < ring_bandwidth(slowest_)) slowest_ = std::move(path);
  }
  TierPath take() { return std::move(slowest_); }

 private:
  const Routes& routes_;
  TierPath slowest_;
  std::vector<int> pattern_;
  std::vector<std::vector<int>> seen_;
};

StagePaths stage_paths(const RankLayout& layout, const Routes& routes, int stage) {
  SlowestPath tp_path(routes), gradient_path(routes), next_path(routes);
  std::vector<DeviceId> devices;
  const auto device = [&](const RankCoordinates& at) { return layout.device[layout.rank(at).index()]; };
  const int next = (stage + 1) % layout.pp;
  for (int dp = 0; dp < layout.dp; ++dp)
    for (int cp = 0; cp < layout.cp; ++cp) {
      devices.clear();
      for (int tp = 0; tp < layout.tp; ++tp) devices.push_back(device({tp, cp, dp, stage}));
      if (layout.tp > 1) tp_path.consider(devices);
    }
  for (int tp = 0; tp < layout.tp; ++tp) {
    devices.clear();
    for (int dp = 0; dp < layout.dp; ++dp)
      for (int cp = 0; cp < layout.cp; ++cp) devices.push_back(device({tp, cp, dp, stage}));
    if (devices.size() > 1) gradient_path.consider(devices);
    for (int dp = 0; dp < layout.dp && layout.pp > 1; ++dp)
      next_path.consider({device({tp, 0, dp, stage}), device({tp, 0, dp, next})});
  }
  return {tp_path.take(), gradient_path.take(), next_path.take()};
}

}  // namespace

CommunicationPaths communication_paths(const RankLayout& layout, const Routes& routes) {
  CommunicationPaths paths;
  for (int stage = 0; stage < layout.pp; ++stage) paths.stages.push_back(stage_paths(layout, routes, stage));
  if (layout.pp > 1)
    paths.embedding = group_path(routes, std::vector<DeviceId>{layout.device[layout.rank({0, 0, 0, 0}).index()],
                                                               layout.device[layout.rank({0, 0, 0, layout.pp - 1}).index()]}).tiers;
  if (layout.world_size() > 1) paths.world = group_path(routes, layout.device).tiers;
  return paths;
}

}  // namespace trainyard
