// Words of the footprint tests: a machine, and what collectives put on its links by name.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/engine/footprint.hpp"
#include "topology/cluster_yaml.hpp"

namespace trainyard {

using Kind = CollectiveKind;
using BytesByLink = std::map<std::string, double>;

inline Cluster preset(const std::string& name, int nodes) { return read_cluster_file(name, nodes); }
inline Cluster with_fabric(const std::string& name, int nodes, const Fabric& fabric) {
  Cluster cluster = preset(name, nodes);
  cluster.fabric = fabric;
  return cluster;
}

inline std::vector<DeviceId> devices(const std::vector<int>& indices) {
  std::vector<DeviceId> all;
  for (int i : indices) all.emplace_back(i);
  return all;
}
inline std::vector<int> every(int step, int below, int from = 0) {
  std::vector<int> all;
  for (int i = from; i < below; i += step) all.push_back(i);
  return all;
}

// A machine and what collectives put on its links, by the links' names without "node 0 ".
class Yard {
 public:
  explicit Yard(const Cluster& cluster) : routes_(cluster), links_(routes_) {}
  const LinkMap& links() const { return links_; }
  BytesByLink run(Kind kind, std::string_view algorithm, const std::vector<int>& members, double outside = -1.0) const {
    BytesByLink bytes;
    for (const LinkUse& use : collective_footprint(kind, algorithm, outside, devices(members), links_)) {
      const std::string name = links_.name(use.link);
      bytes[name.starts_with("node 0 ") ? name.substr(7) : name] = use.bytes;
    }
    return bytes;
  }

 private:
  Routes routes_;
  LinkMap links_;
};

inline double sum(const Yard& yard, const std::vector<LinkUse>& uses, SharedLinkKind kind) {
  double all = 0;
  for (const LinkUse& use : uses)
    if (yard.links().link(use.link).kind == kind) all += use.bytes;
  return all;
}

}  // namespace trainyard
