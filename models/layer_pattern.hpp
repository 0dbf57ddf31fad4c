// Which layers are mixture-of-experts layers, from a list of them to the two numbers a ModelShape holds.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace trainyard {

struct LayerPattern {
  std::int64_t first_dense_layers = 0;
  std::int64_t layer_period = 1;
  friend bool operator==(const LayerPattern&, const LayerPattern&) = default;
};

// The numbers with which is_moe_layer answers `sparse[i]` for every layer; nothing if there are none. At least one
// layer must be sparse.
std::optional<LayerPattern> regular_pattern(const std::vector<bool>& sparse);

}  // namespace trainyard
