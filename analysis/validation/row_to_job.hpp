// From a published run to a job that can be simulated: which model, cluster, profile and plan its words mean. Whatever
// the row does not say gets a documented default, named in Job::warnings; what cannot be expressed is skipped with the
// reason.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "analysis/validation/mapping_rules.hpp"
#include "analysis/validation/run_table.hpp"
#include "sim/plan/job.hpp"

namespace trainyard {

struct Skipped {
  std::string reason;
  friend bool operator==(const Skipped&, const Skipped&) = default;
};

// Where presets come from; nullopt = there is none of that name.
struct Presets {
  std::function<std::optional<ModelShape>(const std::string& name)> model;
  std::function<std::optional<Cluster>(const std::string& name)> cluster;
  std::function<std::optional<Profile>(const std::string& device, const std::string& network, const std::string& stack)>
      profile;
};

struct MappedRun {
  Job job;                  // named after the row's id
  double time_scale = 1.0;  // published / simulated global batch: differs from 1 where micro-batches do not divide it
  friend bool operator==(const MappedRun&, const MappedRun&) = default;
};

std::variant<MappedRun, Skipped> job_of(const PublishedRun& run, const MappingRules& rules, const Presets& presets);

// The same plan with the same words, whoever measured it, on one line: "tp 8 pp 8 vpp 2 dp 24 mbs 2".
std::string published_plan(const PublishedRun& run);

}  // namespace trainyard
