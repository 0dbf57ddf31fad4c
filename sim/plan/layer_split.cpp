#include "sim/plan/layer_split.hpp"

#include "models/check_shape.hpp"

namespace trainyard {
namespace {

bool splits_evenly(std::int64_t layers, std::int64_t chunks) { return layers % chunks == 0; }

// -2 mod chunks rather than layers + 2, which could overflow.
bool splits_with_lighter_ends(std::int64_t layers, std::int64_t chunks) {
  return chunks > 2 && layers % chunks == chunks - 2;
}

// Embedding and loss count as one layer each.
std::optional<std::vector<int>> split_with_counted_ends(std::int64_t layers, std::int64_t chunks,
                                                        const PipelineEnds& ends) {
  const int embedding = ends.embedding_counts ? 1 : 0, loss = ends.loss_counts ? 1 : 0;
  const std::int64_t slots = layers + embedding + loss;
  if (slots < chunks || slots % chunks != 0) return std::nullopt;
  std::vector<int> split(static_cast<std::size_t>(chunks), static_cast<int>(slots / chunks));
  split.front() -= embedding;
  split.back() -= loss;
  if (split.front() < 0 || split.back() < 0) return std::nullopt;
  return split;
}

// The first and the last pipeline rank hold what is said, the others share the rest.
std::optional<std::vector<int>> split_with_given_ends(std::int64_t layers, int pipeline, int virtual_stages,
                                                      const PipelineEnds& ends) {
  const std::int64_t first = ends.first_layers.value_or(0), last = ends.last_layers.value_or(0);
  const std::int64_t sharing = std::int64_t{pipeline} - (ends.first_layers ? 1 : 0) - (ends.last_layers ? 1 : 0);
  const std::int64_t rest = layers - first - last;
  if (first < 0 || last < 0 || rest < 0 || sharing < 0) return std::nullopt;
  if (first % virtual_stages != 0 || last % virtual_stages != 0) return std::nullopt;
  if (sharing > 0 ? rest % (sharing * virtual_stages) != 0 : rest != 0) return std::nullopt;
  std::vector<int> split;
  for (int chunk = 0; chunk < virtual_stages; ++chunk)
    for (int rank = 0; rank < pipeline; ++rank) {
      std::int64_t of_rank = sharing > 0 ? rest / sharing : 0;
      if (ends.last_layers && rank == pipeline - 1) of_rank = last;
      if (ends.first_layers && rank == 0) of_rank = first;
      split.push_back(static_cast<int>(of_rank / virtual_stages));
    }
  return split;
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

std::optional<std::vector<int>> split_layers(std::int64_t layers, int pipeline, int virtual_stages,
                                             const PipelineEnds& ends) {
  const bool given = ends.first_layers || ends.last_layers, counted = ends.embedding_counts || ends.loss_counts;
  if (pipeline < 1 || virtual_stages < 1 || (given && counted)) return std::nullopt;
  const std::int64_t chunks = std::int64_t{pipeline} * virtual_stages;
  if (!given && !counted) return split_layers(layers, chunks);
  if (layers < 1 || layers > max_model_layers || chunks > layers + 2)
    return std::nullopt;  // more chunks than layers and ends
  if (given) return split_with_given_ends(layers, pipeline, virtual_stages, ends);
  return split_with_counted_ends(layers, chunks, ends);
}

}  // namespace trainyard
