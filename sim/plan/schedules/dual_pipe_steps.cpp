#include "sim/plan/schedules/dual_pipe_steps.hpp"

namespace trainyard {
namespace {

class DualPipeOrder {
 public:
  explicit DualPipeOrder(const DualPipeStage& stage) : stage_(stage), near_{stage.near}, far_{stage.far} {
    slots_.reserve(6 * static_cast<std::size_t>(stage.micro_batches));
  }

  std::vector<Slot> slots() {
    warm_up();
    steady_state();
    cool_down();
    return std::move(slots_);
  }

 private:
  struct Lane {
    DualPipeStage::Lane place;
    int forwards = 0, backwards = 0;  // so far
  };

  // Steps 1 to 3.
  void warm_up() {
    for (int i = 0; i < 2 * to_middle(); ++i) forward(near_);
    for (int i = 0; i <= stage_.position; ++i) {
      forward(near_);
      forward(far_);
    }
    for (int i = 0; i < to_middle(); ++i) {
      split_backward(far_);
      weight();
      forward(far_);
    }
  }

  // Steps 4 and 5: pairs.
  void steady_state() {
    const int rounds = stage_.micro_batches - 2 * stage_.depth + stage_.position + 1;
    for (int i = 0; i < rounds; ++i) {
      // The middle stages run their first forward and backward one after the other, as DualPipe does: as a pair,
      // either's output would be sent only when both are done.
      forward(near_, i > 0 || to_middle() > 0);
      backward(far_);
      forward(far_, true);
      backward(near_);
    }
    for (int i = 0; i < to_middle(); ++i) {
      backward(far_);
      forward(far_, true);
      backward(near_);
    }
  }

  // Steps 6 to 8: the second half of step 6 leaves its weight gradients for the gaps that follow.
  void cool_down() {
    const int passes = 2 * (stage_.position + 1);
    for (int i = 0; i < passes; ++i) {
      Lane& lane = i % 2 == 0 ? far_ : near_;
      if (i < passes / 2)
        backward(lane);
      else
        split_backward(lane);
    }
    for (int i = 0; i < to_middle(); ++i) {
      weight();
      split_backward(near_);
    }
    for (int i = 0; i <= stage_.position; ++i) weight();
  }

  int to_middle() const { return stage_.depth - 1 - stage_.position; }

  Slot slot(SlotKind kind, const Lane& lane, int index) const {
    return {.kind = kind,
            .chunk = static_cast<std::int16_t>(lane.place.chunk),
            .micro_batch = lane.place.first_micro_batch + index};
  }
  void forward(Lane& lane, bool paired = false) {
    slots_.push_back(slot(SlotKind::forward, lane, lane.forwards++));
    slots_.back().paired = paired;
  }
  void backward(Lane& lane) { slots_.push_back(slot(SlotKind::backward, lane, lane.backwards++)); }
  void split_backward(Lane& lane) {
    slots_.push_back(slot(SlotKind::backward_input, lane, lane.backwards++));
    weights_.push_back(slot(SlotKind::backward_weight, lane, lane.backwards - 1));
  }
  void weight() { slots_.push_back(weights_[next_weight_++]); }

  const DualPipeStage& stage_;
  Lane near_, far_;
  std::vector<Slot> slots_;
  std::vector<Slot> weights_;  // of the split backwards so far
  std::size_t next_weight_ = 0;
};

}  // namespace

std::vector<Slot> dual_pipe_slots_of(const DualPipeStage& stage) { return DualPipeOrder(stage).slots(); }

}  // namespace trainyard
