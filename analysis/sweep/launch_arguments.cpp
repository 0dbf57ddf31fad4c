#include "analysis/sweep/launch_arguments.hpp"

#include <optional>

#include "analysis/sweep/deepspeed_config.hpp"
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

}  // namespace trainyard
