#include "analysis/placement/resolve_placement.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "analysis/placement/communication_graph.hpp"
#include "analysis/placement/machine_mapping.hpp"
#include "analysis/placement/placement_search.hpp"
#include "analysis/placement/swap_descent.hpp"

namespace trainyard {
namespace {

constexpr int most_swaps = 6000;       // tried per descent, some microseconds each
constexpr int most_judged_swaps = 60;  // simulated, about a millisecond each
constexpr int most_stage_swaps = 60;
constexpr std::uint64_t seed = 1;

std::string order_text(const std::vector<Axis>& axes) {
  std::string text;
  for (const Axis axis : axes) text += (text.empty() ? "" : "-") + name(axis);
  return text;
}

// Every order of the axes, the plan's own first. Axes of one rank stay where they are: moving them changes nothing.
std::vector<std::string> rank_orders(const Plan& plan) {
  std::vector<std::string> orders = {plan.rank_order};
  if (!plan.free_rank_order) return orders;
  const std::vector<Axis> own = axes_of(plan.rank_order).value();
  const std::map<Axis, int> size = {{Axis::tp, plan.tensor_parallel},
                                    {Axis::cp, plan.context_parallel},
                                    {Axis::ep, plan.expert_parallel},
                                    {Axis::dp, plan.data_parallel},
                                    {Axis::pp, plan.pipeline_parallel}};
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < own.size(); ++i)
    if (size.at(own[i]) > 1) places.push_back(i);
  std::vector<std::size_t> moving(places);
  while (std::next_permutation(moving.begin(), moving.end())) {
    std::vector<Axis> axes = own;
    for (std::size_t i = 0; i < places.size(); ++i) axes[places[i]] = own[moving[i]];
    orders.push_back(order_text(axes));
  }
  return orders;
}

Plan on_devices(Plan plan, const std::vector<DeviceId>& device) {
  plan.placement = PlacementKind::device_list;
  plan.placement_devices.clear();
  for (const DeviceId d : device) plan.placement_devices.push_back(d.value);
  return plan;
}

std::vector<DeviceId> with_stages_swapped(const RankLayout& layout, int a, int b) {
  std::vector<DeviceId> device = layout.device;
  for (int rank = 0; rank < layout.world_size(); ++rank) {
    RankCoordinates at = layout.coordinates(RankId(rank));
    if (at.pp != a) continue;
    at.pp = b;
    std::swap(device[static_cast<std::size_t>(rank)], device[layout.rank(at).index()]);
  }
  return device;
}

void try_grids(PlacementSearch& search, const Plan& plan, const std::vector<std::string>& orders) {
  for (const std::string& order : orders)
    for (const PlacementKind kind : {PlacementKind::packed, PlacementKind::scatter, PlacementKind::rail}) {
      Plan candidate = plan;
      candidate.rank_order = order;
      candidate.placement = kind;
      search.consider(candidate);
    }
}

// Maps ranks by their traffic, then swaps ranks of that mapping and of the best so far.
void try_mappings(PlacementSearch& search, const Job& job, const Routes& routes) {
  const Plan best = search.best().plan;
  const PlacedTraffic placed = search.traffic(best);
  std::vector<int> self(static_cast<std::size_t>(placed.traffic.ranks));
  std::iota(self.begin(), self.end(), 0);
  const std::vector<DeviceId> bisected = map_ranks(communication_graph(placed.traffic, self), routes);
  search.consider(on_devices(best, bisected));
  const auto descend = [&](const std::vector<DeviceId>& start) {
    search.consider(on_devices(best, swap_descent(placed.traffic, routes, job.profile, start, most_swaps).device));
  };
  descend(placed.layout.device);
  descend(bisected);
}

// Puts the stages into another order: exchanging two keeps every group but the pipeline's together.
void try_stage_swaps(PlacementSearch& search) {
  bool improved = true;
  for (int tried = 0; improved && tried < most_stage_swaps;) {
    improved = false;
    const Plan start = search.best().plan;
    const RankLayout layout = search.layout(start);
    for (int a = 0; a < layout.pp && !improved; ++a)
      for (int b = a + 1; b < layout.pp && !improved && tried < most_stage_swaps; ++b, ++tried) {
        search.consider(on_devices(start, with_stages_swapped(layout, a, b)));
        improved = search.best().plan != start;
      }
  }
}

// Swaps pairs of ranks under the simulated step, best placement first.
void try_judged_swaps(PlacementSearch& search) {
  std::mt19937_64 random(seed);
  for (int i = 0; i < most_judged_swaps && !search.exhausted(); ++i) {
    const Plan best = search.best().plan;
    std::vector<DeviceId> device = search.layout(best).device;
    const std::size_t a = random() % device.size(), b = random() % (device.size() - 1);
    std::swap(device[a], device[b < a ? b : b + 1]);
    search.consider(on_devices(best, device));
  }
}

// Whole nodes of the best placement, mapped onto the machine by what flows between them.
void try_node_mapping(PlacementSearch& search, const Routes& routes) {
  const Plan best = search.best().plan;
  const PlacedTraffic placed = search.traffic(best);
  const Cluster& cluster = routes.cluster();
  std::vector<int> node_of;
  for (const DeviceId d : placed.layout.device) node_of.push_back(cluster.node_of(d).value);
  const std::vector<int> moved = map_nodes(communication_graph(placed.traffic, node_of), routes);
  std::vector<DeviceId> device;
  for (const DeviceId d : placed.layout.device)
    device.emplace_back(moved[cluster.node_of(d).index()] * cluster.gpus_per_node() + cluster.local_index(d));
  search.consider(on_devices(best, device));
}

}  // namespace

ChosenPlacement resolve_placement(const Job& job, const Routes& routes) {
  if (job.plan.placement != PlacementKind::optimize) return {job.plan, std::nullopt};
  PlacementSearch search(job, routes, most_placements_simulated);
  Plan plan = job.plan;
  plan.data_parallel = resolved(plan, job.model, job.cluster).data_parallel;
  const std::vector<std::string> orders = rank_orders(plan);
  plan = job.plan;
  plan.free_rank_order = false;
  try_grids(search, plan, orders);
  if (job.cluster.world_size() > largest_mapped_world) {
    try_node_mapping(search, routes);
    try_stage_swaps(search);
  } else if (job.cluster.world_size() > 1) {
    try_mappings(search, job, routes);
    try_stage_swaps(search);
    try_judged_swaps(search);
  }
  return {search.best().plan, search.gain()};
}

}  // namespace trainyard
