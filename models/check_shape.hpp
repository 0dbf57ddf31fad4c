// The rules every model shape obeys, whatever file it came from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/model_shape.hpp"

namespace trainyard {

// Limits no real model comes near; they keep every count far below 2^63.
inline constexpr std::int64_t max_model_layers = 100'000;
inline constexpr std::int64_t max_model_width = 10'000'000;  // hidden, ffn, heads, vocabulary, experts …
inline constexpr std::int64_t max_model_positions = 1'000'000'000;

struct ShapeProblem {
  std::string_view key;  // where to point, as the YAML key ("num_query_groups", "moe.router_topk")
  std::string message;
  std::string hint;
};

// The first rule the shape breaks, or nothing.
std::optional<ShapeProblem> check_shape(const ModelShape& model);

}  // namespace trainyard
