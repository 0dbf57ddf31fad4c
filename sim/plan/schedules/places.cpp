#include "sim/plan/schedules/places.hpp"

namespace trainyard {

ChunkPlace looped_place(const PipelineShape& shape, int stage, int chunk) {
  return {.model_stage = chunk * shape.stages + stage};
}

ChunkPlace v_shaped_place(const PipelineShape& shape, int stage, int chunk) {
  return {.model_stage = chunk == 0 ? stage : 2 * shape.stages - 1 - stage};
}

ChunkPlace bidirectional_place(const PipelineShape& shape, int stage, int chunk) {
  return {.model_stage = chunk == 0 ? stage : shape.stages - 1 - stage, .copy = chunk};
}

}  // namespace trainyard
