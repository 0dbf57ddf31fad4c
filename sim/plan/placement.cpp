#include "sim/plan/placement.hpp"

#include <numeric>

namespace trainyard {
namespace {

std::vector<DeviceId> on_rails(const std::array<int, 4>& axis_sizes, int world_size, int gpus_per_node) {
  std::array<int, 4> box{};
  int free = gpus_per_node;
  for (std::size_t axis = 0; axis < box.size(); ++axis) {
    box[axis] = std::gcd(axis_sizes[axis], free);
    free /= box[axis];
  }
  std::vector<DeviceId> device(static_cast<std::size_t>(world_size));
  for (int rank = 0; rank < world_size; ++rank) {
    int node = 0, node_stride = 1, local = 0, local_stride = 1, rest = rank;
    for (std::size_t axis = 0; axis < box.size(); ++axis) {
      const int coordinate = rest % axis_sizes[axis];
      rest /= axis_sizes[axis];
      local += coordinate % box[axis] * local_stride;
      local_stride *= box[axis];
      node += coordinate / box[axis] * node_stride;
      node_stride *= axis_sizes[axis] / box[axis];
    }
    device[static_cast<std::size_t>(rank)] = DeviceId(node * gpus_per_node + local);
  }
  return device;
}

std::vector<DeviceId> as_listed(const std::vector<std::vector<int>>& nodes, int gpus_per_node) {
  std::vector<DeviceId> device;
  int first_of_node = 0;
  for (const std::vector<int>& local_indices : nodes) {
    for (int local : local_indices) device.emplace_back(first_of_node + local);
    first_of_node += gpus_per_node;
  }
  return device;
}

}  // namespace

std::vector<DeviceId> place(const Plan& plan, const std::array<int, 4>& axis_sizes, const Cluster& cluster) {
  const int world_size = axis_sizes[0] * axis_sizes[1] * axis_sizes[2] * axis_sizes[3];
  const int gpus_per_node = cluster.gpus_per_node();
  switch (plan.placement) {
    case PlacementKind::rail:
      return on_rails(axis_sizes, world_size, gpus_per_node);
    case PlacementKind::explicit_list:
      return as_listed(plan.explicit_placement, gpus_per_node);
    case PlacementKind::device_list:
      return std::vector<DeviceId>(plan.placement_devices.begin(), plan.placement_devices.end());
    case PlacementKind::packed:
    case PlacementKind::scatter:
    case PlacementKind::optimize:
      break;
  }
  const bool scattered = plan.placement == PlacementKind::scatter;
  std::vector<DeviceId> device(static_cast<std::size_t>(world_size));
  for (int rank = 0; rank < world_size; ++rank)
    device[static_cast<std::size_t>(rank)] =
        DeviceId(scattered ? rank % cluster.nodes * gpus_per_node + rank / cluster.nodes : rank);
  return device;
}

}  // namespace trainyard
