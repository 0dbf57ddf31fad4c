#include "analysis/placement/machine_mapping.hpp"

#include <algorithm>
#include <boost/graph/connected_components.hpp>
#include <functional>
#include <map>
#include <numeric>

namespace trainyard {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

// Halves of a list of parts, in their order.
Halves halved(const std::vector<std::vector<int>>& parts) {
  Halves halves;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::vector<int>& half = i < (parts.size() + 1) / 2 ? halves.first : halves.second;
    half.insert(half.end(), parts[i].begin(), parts[i].end());
  }
  return halves;
}

// Things of equal label together, labels ascending.
std::vector<std::vector<int>> by_label(const std::vector<int>& things, const std::function<int(int)>& label) {
  std::map<int, std::vector<int>> parts;
  for (const int thing : things) parts[label(thing)].push_back(thing);
  std::vector<std::vector<int>> list;
  for (auto& [key, part] : parts) list.push_back(std::move(part));
  return list;
}

// Halves the machine where it is weakest.
class Machine {
 public:
  explicit Machine(const Routes& routes) : routes_(routes) {}

  Halves halve_nodes(const std::vector<int>& nodes) const {
    std::vector<std::vector<int>> parts = by_label(nodes, [&](int n) { return routes_.leaf(NodeId(n)); });
    if (parts.size() == 1) parts = by_label(nodes, [&](int n) { return routes_.nvlink_domain(NodeId(n)); });
    if (parts.size() == 1) parts = by_label(nodes, [](int n) { return n; });
    return halved(parts);
  }

  Halves halve_devices(const std::vector<int>& devices) const {
    const int per_node = routes_.cluster().gpus_per_node();
    const std::vector<std::vector<int>> nodes = by_label(devices, [&](int d) { return d / per_node; });
    if (nodes.size() == 1) return halve_node(devices);
    std::vector<int> ids;
    for (const std::vector<int>& node : nodes) ids.push_back(node.front() / per_node);
    const Halves of_nodes = halve_nodes(ids);
    Halves halves;
    for (const std::vector<int>& node : nodes) {
      const bool in_first =
          std::find(of_nodes.first.begin(), of_nodes.first.end(), node.front() / per_node) != of_nodes.first.end();
      std::vector<int>& half = in_first ? halves.first : halves.second;
      half.insert(half.end(), node.begin(), node.end());
    }
    return halves;
  }

 private:
  const Route& way(int a, int b) const {
    return routes_.within_node(routes_.cluster().local_index(DeviceId(a)), routes_.cluster().local_index(DeviceId(b)));
  }

  // Leaves out the worst ways until the GPUs fall apart; where they never do, the thinnest cut is taken.
  Halves halve_node(const std::vector<int>& devices) const {
    std::vector<std::pair<LinkClass, double>> ways;  // best first
    for (const int a : devices)
      for (const int b : devices)
        if (a < b) ways.emplace_back(way(a, b).link, -way(a, b).bandwidth.value);
    std::sort(ways.begin(), ways.end());
    ways.erase(std::unique(ways.begin(), ways.end()), ways.end());
    for (std::size_t worst = ways.size() - 1; worst > 0; --worst) {
      const std::vector<std::vector<int>> parts = components(devices, ways[worst]);
      if (parts.size() > 1 && parts.size() < devices.size()) return halved(parts);
    }
    if (ways.size() > 1) return thinnest_cut(devices);
    return {{devices.begin(), devices.begin() + static_cast<std::ptrdiff_t>((devices.size() + 1) / 2)},
            {devices.begin() + static_cast<std::ptrdiff_t>((devices.size() + 1) / 2), devices.end()}};
  }

  // Connected by ways better than this one.
  std::vector<std::vector<int>> components(const std::vector<int>& devices,
                                           const std::pair<LinkClass, double>& limit) const {
    WeightedGraph graph(devices.size());
    for (std::size_t a = 0; a < devices.size(); ++a)
      for (std::size_t b = a + 1; b < devices.size(); ++b)
        if (std::pair(way(devices[a], devices[b]).link, -way(devices[a], devices[b]).bandwidth.value) < limit)
          boost::add_edge(a, b, 1.0, graph);
    std::vector<int> component(devices.size());
    boost::connected_components(graph, component.data());
    std::vector<int> positions(devices.size());
    std::iota(positions.begin(), positions.end(), 0);
    std::vector<std::vector<int>> parts = by_label(positions, [&](int i) { return component[at(i)]; });
    for (std::vector<int>& part : parts)
      for (int& position : part) position = devices[at(position)];
    return parts;
  }

  Halves thinnest_cut(const std::vector<int>& devices) const {
    WeightedGraph graph(devices.size());
    for (std::size_t a = 0; a < devices.size(); ++a)
      for (std::size_t b = a + 1; b < devices.size(); ++b)
        boost::add_edge(a, b, way(devices[a], devices[b]).bandwidth.value, graph);
    std::vector<int> positions(devices.size());
    std::iota(positions.begin(), positions.end(), 0);
    Halves halves = bisected(graph, positions, (devices.size() + 1) / 2);
    for (std::vector<int>* half : {&halves.first, &halves.second})
      for (int& position : *half) position = devices[at(position)];
    return halves;
  }

  const Routes& routes_;
};

// Gives each vertex one place, halving both until one is left.
void assign(const WeightedGraph& graph, const std::vector<int>& vertices, const std::vector<int>& places,
            const std::function<Halves(const std::vector<int>&)>& halve, std::vector<int>& place_of) {
  if (places.size() == 1) {
    place_of[at(vertices.front())] = places.front();
    return;
  }
  const Halves of_machine = halve(places);
  const Halves of_graph = bisected(graph, vertices, of_machine.first.size());
  assign(graph, of_graph.first, of_machine.first, halve, place_of);
  assign(graph, of_graph.second, of_machine.second, halve, place_of);
}

std::vector<int> mapped(const WeightedGraph& graph, const std::function<Halves(const std::vector<int>&)>& halve) {
  std::vector<int> all(boost::num_vertices(graph));
  std::iota(all.begin(), all.end(), 0);
  std::vector<int> place_of(all.size(), 0);
  if (!all.empty()) assign(graph, all, all, halve, place_of);
  return place_of;
}

}  // namespace

std::vector<DeviceId> map_ranks(const WeightedGraph& graph, const Routes& routes) {
  const Machine machine(routes);
  std::vector<DeviceId> device;
  for (const int place : mapped(graph, [&](const std::vector<int>& d) { return machine.halve_devices(d); }))
    device.emplace_back(place);
  return device;
}

std::vector<int> map_nodes(const WeightedGraph& graph, const Routes& routes) {
  const Machine machine(routes);
  return mapped(graph, [&](const std::vector<int>& n) { return machine.halve_nodes(n); });
}

}  // namespace trainyard
