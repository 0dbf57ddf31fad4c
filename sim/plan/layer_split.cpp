#include "sim/plan/layer_split.hpp"

namespace trainyard {
namespace {

bool splits_evenly(std::int64_t layers, std::int64_t chunks) { return layers % chunks == 0; }

// -2 mod chunks rather than layers + 2, which could overflow.
bool splits_with_lighter_ends(std::int64_t layers, std::int64_t chunks) {
  return chunks > 2 && layers % chunks == chunks - 2;
}

}  // namespace

bool splits_by_itself(std::int64_t layers, std::int64_t chunks) {
  if (layers <= 0 || chunks <= 0) return false;
  return splits_evenly(layers, chunks) || splits_with_lighter_ends(layers, chunks);
}

std::optional<std::vector<int>> split_layers(std::int64_t layers, std::int64_t chunks) {
  if (!splits_by_itself(layers, chunks)) return std::nullopt;
  const bool even = splits_evenly(layers, chunks);
  const std::int64_t per_chunk = layers / chunks + (even ? 0 : 1);
  std::vector<int> split(static_cast<std::size_t>(chunks), static_cast<int>(per_chunk));
  if (!even) {
    --split.front();
    --split.back();
  }
  return split;
}

}  // namespace trainyard
