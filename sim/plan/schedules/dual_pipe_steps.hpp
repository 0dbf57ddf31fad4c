// The eight steps that DualPipe and DualPipeV have in common (DeepSeek-AI 2024, github.com/deepseek-ai/DualPipe).
#pragma once

#include <vector>

#include "sim/plan/schedule.hpp"

namespace trainyard {

// A stage as the steps see it. Its near chunk is the one that micro-batches reach first; the far one they reach after
// the model's middle (DualPipe: from the other end of the pipeline; DualPipeV: on the way back).
struct DualPipeStage {
  int depth = 1;     // stages from an end of the pipeline to its middle
  int position = 0;  // 0 = at the end, depth - 1 = in the middle
  struct Lane {
    int chunk = 0;
    int first_micro_batch = 0;
  };
  Lane near, far;
  int micro_batches = 0;  // of each lane
};

// Needs micro_batches >= 2 depth: with fewer the steps are not those of a whole pass through the model.
std::vector<Slot> dual_pipe_slots_of(const DualPipeStage& stage);

}  // namespace trainyard
