// Which model stage a chunk of a pipeline stage is. Model stages count along the model, 0 (embedding) … last (head).
#pragma once

#include "sim/plan/schedule.hpp"

namespace trainyard {

// Chunk after chunk around the ring (Narayanan et al. 2021): chunk c of stage r is model stage c * stages + r.
ChunkPlace looped_place(const PipelineShape& shape, int stage, int chunk);
// Two chunks, down the stages and back up again: the first stage holds both ends of the model.
ChunkPlace v_shaped_place(const PipelineShape& shape, int stage, int chunk);
// Two copies of the model, of one chunk per stage each, in opposite directions. Micro-batches 0 … m/2-1 run through
// copy 0, the others through copy 1.
ChunkPlace bidirectional_place(const PipelineShape& shape, int stage, int chunk);

}  // namespace trainyard
