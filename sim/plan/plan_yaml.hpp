// The `plan:` and `workload:` mappings of a scenario. Keys are Megatron's argument names, with the short aliases
// tp pp vpp dp cp ep etp mbs gbs. All readers are strict: an unknown, repeated, mistyped or out-of-range key, and two
// spellings of one setting, are an InputError that points at the key. Legality against model and cluster is
// check_plan's matter.
#pragma once

#include <optional>
#include <string>

#include "sim/base/yaml_reader.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard {

struct PlanAndWorkload {
  Plan plan;
  Workload workload;
  friend bool operator==(const PlanAndWorkload&, const PlanAndWorkload&) = default;
};

// Both mappings together: global_batch_size may stand in either, must stand in one, and must agree if in both.
// No plan mapping means the plan of one GPU per replica, all sizes 1.
PlanAndWorkload read_plan_and_workload(const std::optional<YamlValue>& plan, const YamlValue& workload);

// One mapping alone. A plan without global_batch_size gets the default of Plan; a workload's is checked and dropped.
// Without a `schedule` key it is interleaved when there are virtual stages, else 1f1b.
Plan read_plan(const YamlValue& plan);
Workload read_workload(const YamlValue& workload);

// Where an override such as "plan.tp" goes in a scenario document: to the spelling and, for the global batch, the
// mapping that the document already uses, so that it replaces the setting instead of standing beside it.
std::string override_path(const YamlValue& scenario, const std::string& dotted_path);

// Both mappings as block YAML with canonical keys, `workload:` first; reading it gives back the same values.
// Settings left to a default (data_parallel_size, the overlap switches …) are left out.
std::string to_yaml(const Plan& plan, const Workload& workload);

}  // namespace trainyard
