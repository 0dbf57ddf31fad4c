#include "sim/plan/job.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "models/model_config.hpp"
#include "models/profile_yaml.hpp"
#include "sim/base/scenario_files.hpp"
#include "sim/base/yaml_reader.hpp"
#include "sim/plan/plan_warnings.hpp"
#include "sim/plan/plan_yaml.hpp"
#include "topology/cluster_yaml.hpp"
#include "topology/stragglers_yaml.hpp"

namespace trainyard {
namespace {

void check_precision(const Job& job, const YamlValue& workload) {
  const DeviceProfile& device = job.profile.device;
  if (job.workload.precision == DataType::bf16 && !device.bf16)
    workload.fail(device.name + " has no bf16", "precision: fp16");
  if (job.workload.precision == DataType::fp8 && device.peak_fp8.value <= 0)
    workload.fail(device.name + " has no fp8", device.bf16 ? "precision: bf16" : "precision: fp16");
  if (job.workload.precision == DataType::nvfp4 && device.peak_fp4.value <= 0)
    workload.fail(device.name + " has no NVFP4", device.peak_fp8.value > 0 ? "precision: fp8" : "precision: bf16");
  // Block-scaled MXFP8 came with the tensor cores that have NVFP4 (Blackwell).
  const bool block_scaled = job.workload.precision == DataType::fp8 && job.workload.fp8_recipe == Fp8Recipe::mxfp8;
  if (block_scaled && device.peak_fp4.value <= 0) workload.fail(device.name + " has no MXFP8", "fp8_recipe: blockwise");
}

// A profile that is not found is the fault of the word in the scenario.
Profile profile_of(const Cluster& cluster, const std::optional<YamlValue>& stack) {
  const std::string name = stack ? stack->as_string() : "megatron-core";
  if (stack) try {
      scenario_file("profiles/stacks", name);
    } catch (const InputError& e) {
      stack->fail(e.message(), e.hint());
    }
  return load_profile(cluster.gpu, cluster.fabric.network, name);
}

// The device profile of another GPU than the cluster's is legal, and hardly ever meant.
void replace_profile(Job& job, const std::string& file) {
  const FlopsPerSecond peak = job.profile.device.peak_half;
  job.profile = with_profile_file(std::move(job.profile), file);
  const DeviceProfile& device = job.profile.device;
  if (device.peak_half == peak) return;
  job.warnings.push_back(
      fmt::format("device profile '{}' is of another GPU than the cluster's {}: {:.4g} TFLOP/s, not {:.4g}",
                  device.name, job.cluster.gpu, device.peak_half.value * 1e-12, peak.value * 1e-12));
}

}  // namespace

Job read_job(YamlMapping& scenario, std::string name, const std::optional<std::string>& profile_file,
             std::optional<int> nodes) {
  Job job;
  job.name = std::move(name);
  LoadedModel model = resolve_model(scenario.required("model"));
  job.model = std::move(model.shape);
  job.warnings = std::move(model.warnings);
  const YamlValue cluster = scenario.required("cluster");
  if (const auto written = scenario.optional("nodes"); written && !nodes)
    nodes = static_cast<int>(written->as_int(1, most_nodes));
  job.cluster = read_cluster(cluster, nodes);
  if (const auto stragglers = scenario.optional("stragglers")) add_stragglers(job.cluster, *stragglers);
  for (const std::string& warning : job.cluster.node.warnings) job.warnings.push_back(warning);
  const YamlValue workload = scenario.required("workload");
  const PlanAndWorkload read = read_plan_and_workload(scenario.optional("plan"), workload);
  job.plan = read.plan;
  job.workload = read.workload;
  const auto stack = scenario.optional("stack");
  scenario.optional("description");
  scenario.finish();
  job.profile = profile_of(job.cluster, stack);
  if (profile_file) replace_profile(job, *profile_file);
  check_precision(job, workload);
  return job;
}

Job load_job(const std::string& scenario, const std::vector<std::pair<std::string, std::string>>& overrides,
             const std::optional<std::string>& profile_file) {
  const std::string path = scenario_file("", scenario);
  YamlValue document = read_yaml_file(path);
  for (const auto& [key, text] : overrides) document = with_override(document, override_path(document, key), text);
  YamlMapping top(document);
  Job job = read_job(top, std::filesystem::path(path).stem().string(), profile_file);
  for (std::string& warning : plan_warnings(job.plan, job.model, job.workload))
    job.warnings.push_back(std::move(warning));
  return job;
}

}  // namespace trainyard
