// Everything one prediction needs, loaded and resolved.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/model_shape.hpp"
#include "models/profile.hpp"
#include "sim/plan/check_plan.hpp"
#include "sim/plan/plan.hpp"
#include "topology/cluster.hpp"

namespace trainyard {

class YamlMapping;

struct Job {
  std::string name;  // of the scenario, for headings
  ModelShape model;
  Cluster cluster;
  Workload workload;
  Plan plan;  // as the user gave it; resolved() fills the defaults
  Profile profile;
  std::vector<std::string> warnings;  // of the inputs: topology oddities, defaults taken from a config.json
  friend bool operator==(const Job&, const Job&) = default;
};

// The keys of a scenario, from its document. Ask `scenario` for whatever else it may hold before: any other key is an
// InputError. `nodes` takes the place of the key of that name. Without the warnings of plan_warnings.hpp.
Job read_job(YamlMapping& scenario, std::string name, const std::optional<std::string>& profile_file = std::nullopt,
             std::optional<int> nodes = std::nullopt);

// Reads a scenario YAML. `overrides` are --set pairs ("plan.tp", "4"), applied in order before reading; `profile_file`
// replaces the device, network and stack profiles that the scenario and its cluster name. Throws InputError.
Job load_job(const std::string& scenario, const std::vector<std::pair<std::string, std::string>>& overrides = {},
             const std::optional<std::string>& profile_file = std::nullopt);

}  // namespace trainyard
