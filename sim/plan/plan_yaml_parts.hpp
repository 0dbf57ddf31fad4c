// The plan keys behind plan_yaml, by topic. Each reader asks `mapping` for its keys, checks what can be checked without
// the other topics, and leaves the fields of absent keys alone. Not for use outside plan_yaml.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "sim/base/yaml_reader.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard::plan_keys {

int size_of(const YamlValue& value);  // 1 … INT_MAX
void read_size(YamlMapping& mapping, const std::vector<std::string_view>& spellings, int& size);
void read_flag(YamlMapping& mapping, std::string_view key, bool& on);
void read_switch(YamlMapping& mapping, std::string_view key, std::optional<bool>& on);
double positive_number(const YamlValue& value, double high);

// layers_per_chunk or pipeline_model_parallel_layout, the ends of the pipeline, virtual stages and the schedule.
void read_pipeline(YamlMapping& mapping, Plan& plan);
void read_recompute(YamlMapping& mapping, Plan& plan);
// data_parallel, use_distributed_optimizer and the Sharding keys.
void read_data_parallel(YamlMapping& mapping, Plan& plan);
void read_context_parallel(YamlMapping& mapping, Plan& plan);
void read_experts(YamlMapping& mapping, Plan& plan);
void read_offload(YamlMapping& mapping, Plan& plan);

}  // namespace trainyard::plan_keys
