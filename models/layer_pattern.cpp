#include "models/layer_pattern.hpp"

#include <algorithm>
#include <cassert>

namespace trainyard {

std::optional<LayerPattern> regular_pattern(const std::vector<bool>& sparse) {
  const auto first = std::find(sparse.begin(), sparse.end(), true);
  assert(first != sparse.end());
  const auto second = std::find(first + 1, sparse.end(), true);
  const std::int64_t head = first - sparse.begin();
  // The gap between the first two is the period; a lone sparse layer needs one that does not come round again.
  const auto layers = static_cast<std::int64_t>(sparse.size());
  const std::int64_t period = second != sparse.end() ? second - first : std::min(head + 1, layers - head);
  if (head + 1 < period) return std::nullopt;
  const LayerPattern pattern{.first_dense_layers = head + 1 - period, .layer_period = period};
  for (std::int64_t i = 0; i < layers; ++i) {
    const bool moe = i >= pattern.first_dense_layers && (i - pattern.first_dense_layers + 1) % period == 0;
    if (moe != sparse[static_cast<std::size_t>(i)]) return std::nullopt;
  }
  return pattern;
}

}  // namespace trainyard
