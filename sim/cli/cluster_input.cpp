#include "sim/cli/cluster_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "sim/base/errors.hpp"
#include "sim/base/scenario_files.hpp"
#include "sim/base/yaml_reader.hpp"
#include "topology/cluster_yaml.hpp"
#include "topology/topology_file.hpp"

namespace trainyard {
namespace {

constexpr std::string_view prefix = "cluster.";

std::string key_of(const std::string& key) { return key.starts_with(prefix) ? key.substr(prefix.size()) : key; }

// A cluster document says which node it consists of, which a capture never does.
bool is_cluster_yaml(const std::string& path) {
  if (path.ends_with(".yaml") || path.ends_with(".yml")) return true;
  std::istringstream lines(read_input_file(path));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("node:") || line.starts_with("{node:")) return true;
  return false;
}

std::string quoted(const std::string& text) {
  std::string yaml = "'";
  for (const char c : text) yaml += c == '\'' ? std::string("''") : std::string(1, c);
  return yaml + "'";
}

YamlValue node_of(const std::string& topology, const Overrides& overrides) {
  const bool gpu = std::any_of(overrides.begin(), overrides.end(), [](const auto& o) {
    const std::string key = key_of(o.first);
    return key == "gpu" || key == "node.gpu";
  });
  if (!gpu)
    throw InputError({topology, 0, 0}, "a topology does not say which GPUs these are",
                     "--set gpu=h100-sxm-80gb; for several nodes also --set nics.bandwidth=400Gbps --set "
                     "fabric.network=infiniband");
  return read_yaml_text(fmt::format("node: {{topology: {}}}\n", quoted(topology)), topology);
}

YamlValue document_of(const std::string& cluster, const Overrides& overrides) {
  if (cluster.starts_with('{')) return read_yaml_text(cluster, "--cluster");
  const std::string path = scenario_file("clusters", cluster);
  return is_cluster_yaml(path) ? read_yaml_file(path) : node_of(path, overrides);
}

}  // namespace

Cluster read_cluster_word(const std::string& cluster, std::optional<int> nodes, const Overrides& overrides) {
  YamlValue document = document_of(cluster, overrides);
  for (const auto& [key, text] : overrides) document = with_override(document, key_of(key), text);
  return read_cluster(document, nodes);
}

}  // namespace trainyard
