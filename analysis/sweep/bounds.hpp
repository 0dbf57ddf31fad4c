// Less time and memory than a plan can need, without its program: what dismisses most plans of a sweep. Built from the
// parts of the model alone, which many structures share.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "models/profile.hpp"
#include "sim/engine/pricing.hpp"
#include "sim/program/model_parts.hpp"
#include "sim/program/step_inputs.hpp"

namespace trainyard {

struct LeastMemory {
  Bytes peak{}, reserved{};
};

// What a stage computes for one micro-batch.
struct StageTime {
  Seconds per_micro_batch{};  // all passes of all chunks
  Seconds forward{};          // of chunk 0
  Seconds backward{};
};

class Bounds {
 public:
  Bounds();
  ~Bounds();

  // The structure that the questions below are about. `inputs` and what they point to must live until the next call.
  void about(const StepInputs& inputs, int micro_batches);

  // The largest allocation and reservation of any stage are at least its states, the activations of the forwards before
  // its first backward (of one forward where their number may depend on the number of micro-batches) and what that
  // backward works in.
  LeastMemory memory(const Profile& profile) const;

  // No step is shorter than all passes of its busiest stage one after the other, after the first micro-batch came
  // through the stages before it and before the last one is back there:
  //   max over stages s of  sum_{j<s} F_j + m W_s + sum_{j<s} B_j
  // (sums over other stages only for schedules whose chunk 0 is the first in and the last out), or than the gathers
  // and reductions of its layers, where every micro-batch has its own. 0 for schedules whose passes hide each other's
  // communication. `context` prices the layers of one placement.
  Seconds time(const PricingContext& context, const CommunicationPaths& paths);

  const StepModel& parts() const;
  // Its segments with the layers' groups of one placement; valid until the next call.
  const std::vector<SegmentTimes>& segments(const PricingContext& context, const CommunicationPaths& paths);

 private:
  struct Model;
  struct Priced;
  struct Order;
  StageTime stage_time(const std::vector<SegmentTimes>& segments, int stage) const;
  Priced& priced(const PricingContext& context, const CommunicationPaths& paths);
  Model* model_of(const StepInputs& inputs);
  Bytes first_backward_needs(const ModelChunk& chunk) const;
  Seconds unit_traffic(const PricingContext& context, const CommunicationPaths& paths) const;
  const Order& order_of(const StepInputs& inputs, int micro_batches);

  std::deque<std::unique_ptr<Model>> models_;  // latest first
  std::deque<std::unique_ptr<Order>> orders_;
  StepInputs inputs_;
  int micro_batches_ = 1;
  Model* model_ = nullptr;
  const Order* order_ = nullptr;
};

}  // namespace trainyard
