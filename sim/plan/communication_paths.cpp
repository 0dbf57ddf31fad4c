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

void keep_slowest(TierPath& slowest, bool& first, const Routes& routes, const std::vector<DeviceId>& devices) {
  TierPath path = group_path(routes, devices).tiers;
  if (first || ring_bandwidth(path) < ring_bandwidth(slowest)) slowest = std::move(path);
  first = false;
}

std::vector<DeviceId> devices_of(const RankLayout& layout, const RankGroup& group) {
  std::vector<DeviceId> devices;
  devices.reserve(static_cast<std::size_t>(group.size));
  for (int i = 0; i < group.size; ++i) devices.push_back(layout.device[group.at(i).index()]);
  return devices;
}

StagePaths stage_paths(const RankLayout& layout, const Routes& routes, int stage) {
  StagePaths paths;
  bool first_tp = true, first_gradients = true, first_next = true;
  const int next = (stage + 1) % layout.pp;
  for (int dp = 0; dp < layout.dp; ++dp)
    for (int cp = 0; cp < layout.cp; ++cp) {
      const RankId base = layout.rank({0, cp, dp, stage});
      if (layout.tp > 1) keep_slowest(paths.tp, first_tp, routes, devices_of(layout, layout.group(Axis::tp, base)));
    }
  for (int tp = 0; tp < layout.tp && layout.dp * layout.cp > 1; ++tp) {
    std::vector<DeviceId> devices;
    for (const RankId rank : layout.gradient_group(layout.rank({tp, 0, 0, stage}))) devices.push_back(layout.device[rank.index()]);
    keep_slowest(paths.gradients, first_gradients, routes, devices);
  }
  for (int tp = 0; tp < layout.tp && layout.pp > 1; ++tp)
    for (int dp = 0; dp < layout.dp; ++dp)
      keep_slowest(paths.next_stage, first_next, routes,
                   {layout.device[layout.rank({tp, 0, dp, stage}).index()], layout.device[layout.rank({tp, 0, dp, next}).index()]});
  return paths;
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
