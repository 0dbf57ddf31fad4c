// Orders that follow from a rule for what a free stage runs next. All stages run together, without communication and
// with the passes' relative times (of one unit each, the conditions under which zero-bubble schedules are drawn).
#pragma once

#include <span>
#include <vector>

#include "sim/plan/schedule.hpp"

namespace trainyard {

struct GreedyRule {
  struct Choice {
    SlotKind kind = SlotKind::forward;
    int chunk = 0;  // weight gradients follow their backwards, whatever the chunk
  };
  std::span<const Choice> choices;  // a free stage runs the first that is ready
  ChunkPlace (*place)(const PipelineShape& shape, int stage, int chunk) = nullptr;
  // A stage starts no forward while this many wait for their input gradients, or for their weight gradients.
  int (*activations)(int stages, int stage) = nullptr;
  int (*weight_gradients)(int stages, int stage) = nullptr;
};

// The order of one stage. The pass costs stages x micro-batches; its orders are kept until the calling thread asks for
// another rule or shape, so that a plan's stages share one pass. `rule` must live as long as the program.
std::vector<Slot> greedy_slots(const GreedyRule& rule, const PipelineShape& shape, int stage);

}  // namespace trainyard
