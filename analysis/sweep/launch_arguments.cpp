#include "analysis/sweep/launch_arguments.hpp"

#include <optional>
#include <utility>

#include "analysis/sweep/deepspeed_config.hpp"
#include "analysis/sweep/slurm_script.hpp"
#include "analysis/sweep/torchtitan_config.hpp"
#include "sim/plan/megatron_args.hpp"

namespace trainyard {

std::vector<LaunchArguments> launch_arguments(const Plan& plan, const Workload& workload, const ModelShape& model) {
  std::vector<LaunchArguments> all{{"Megatron-LM", to_megatron_args(plan, workload, model)}};
  if (std::optional<std::string> text = to_torchtitan_config(plan, workload, model))
    all.push_back({"torchtitan", *std::move(text)});
  if (std::optional<std::string> text = to_deepspeed_config(plan, workload, model))
    all.push_back({"DeepSpeed", *std::move(text)});
  return all;
}

LaunchArguments simulate_arguments(const std::vector<std::string>& settings) {
  std::string text = "trainyard simulate SCENARIO.yaml";
  for (const std::string& setting : settings) text += " \\\n--set " + shell_word(setting);
  text += "\n# SCENARIO.yaml: the sweep's file without space, where and top, and with nodes for gpus\n";
  return {"trainyard", std::move(text)};
}

}  // namespace trainyard
