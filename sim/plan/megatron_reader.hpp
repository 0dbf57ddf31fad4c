// From flags to plan and model, behind read_megatron_args: the plan's flags are read in megatron_args.cpp and
// megatron_parallel_args.cpp (context and experts, sharding, recomputation, offloading), the model's in
// megatron_model_args.cpp.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/check_shape.hpp"
#include "sim/plan/megatron_args.hpp"
#include "sim/plan/megatron_flags.hpp"

namespace trainyard {

inline constexpr std::int64_t largest_megatron_size = std::numeric_limits<int>::max();

class MegatronReader {
 public:
  explicit MegatronReader(MegatronFlags& flags) : flags_(flags) {}

  MegatronImport read() {
    read_model();
    read_parallel_sizes();
    read_workload();
    read_batch();
    read_pipeline();
    read_context_parallel();
    read_expert_parallel();
    read_data_parallel();
    read_overlap();
    read_recompute();
    read_offload();
    import_.nodes = flags_.nodes();
    import_.gpus_per_node = flags_.gpus_per_node();
    import_.world_size = flags_.world_size();
    std::vector<std::string> left = flags_.leftovers();
    import_.not_understood.insert(import_.not_understood.end(), left.begin(), left.end());
    return std::move(import_);
  }

 private:
  void read_model();
  void read_attention();
  void read_mlp();
  void read_experts();
  void read_layer_frequency();
  void read_latent_attention();
  void read_vocabulary();
  void read_positions();
  void read_dropout();
  void read_parallel_sizes();
  void read_workload();
  void read_batch();
  void read_pipeline();
  void read_layout(const std::string& layout);
  void read_pipeline_ends();
  void read_virtual_stages(std::int64_t extra_layers);
  void read_schedule();
  void read_context_parallel();
  void read_expert_parallel();
  void read_dispatcher();
  void read_data_parallel();
  void read_overlap();
  void read_recompute();
  std::uint32_t recompute_modules_given();
  void read_offload();

  template <class Number>
  bool set(std::string_view flag, Number& target, std::int64_t low, std::int64_t high) {
    const std::optional<std::int64_t> value = flags_.integer(flag, low, high);
    if (value) target = static_cast<Number>(*value);
    return value.has_value();
  }
  void set_width(std::string_view flag, std::int64_t& width) { set(flag, width, 1, max_model_width); }
  void set_size(std::string_view flag, int& size) { set(flag, size, 1, largest_megatron_size); }
  void defaulted(std::string_view text) { import_.defaulted.emplace_back(text); }
  void not_understood(std::string_view text) { import_.not_understood.emplace_back(text); }

  MegatronFlags& flags_;
  MegatronImport import_;
};

}  // namespace trainyard
