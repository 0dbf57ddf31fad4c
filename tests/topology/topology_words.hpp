// Words of the topology tests: reading, refusing, asking for a cell.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/errors.hpp"
#include "topology/cluster_yaml.hpp"
#include "topology/group_path.hpp"
#include "topology/nvidia_smi_topo.hpp"
#include "topology/routes.hpp"

namespace trainyard {

// What the user would see, or "no error".
template <class Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const InputError& e) {
    return e.what();
  }
  return "no error";
}

inline std::string refusal(const std::string& capture) {
  return error_of([&] { read_nvidia_smi_topo(capture, "topo.txt"); });
}

// The label between two devices, by name: cell(node, "GPU0", "NIC1").
inline std::string cell(const NodeTopology& node, std::string_view a, std::string_view b) {
  std::vector<std::string> names = node.gpus;
  names.insert(names.end(), node.nics.begin(), node.nics.end());
  const auto index = [&](std::string_view name) {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  return cell_text(node.relations.at(index(a)).at(index(b)));
}

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// A path as one line: "8 NVLink 450.0 GB/s multicast, 4 NET 50.00 GB/s".
inline std::string tiers(const Routes& routes, const std::vector<int>& members) {
  std::vector<DeviceId> devices;
  for (int m : members) devices.emplace_back(m);
  std::vector<std::string> parts;
  for (const Tier& t : group_path(routes, devices).tiers)
    parts.push_back(
        fmt::format("{} {} {}{}", t.ranks, name(t.link), to_text(t.bandwidth), t.multicast ? " multicast" : ""));
  return fmt::format("{}", fmt::join(parts, ", "));
}

inline std::vector<int> every(int step, int below, int from = 0) {
  std::vector<int> all;
  for (int i = from; i < below; i += step) all.push_back(i);
  return all;
}

}  // namespace trainyard
