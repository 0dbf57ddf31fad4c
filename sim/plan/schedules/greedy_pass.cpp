#include "sim/plan/schedules/greedy_pass.hpp"

#include <cassert>

namespace trainyard {
namespace {

class GreedyPass {
 public:
  GreedyPass(const GreedyRule& rule, const PipelineShape& shape)
      : rule_(rule),
        passes_(shape.micro_batches * shape.chunks),
        model_(static_cast<std::size_t>(shape.stages * shape.chunks + 2)) {
    model_.front().forwards = model_.back().backwards = shape.micro_batches;
    for (int r = 0; r < shape.stages; ++r) {
      Stage stage;
      stage.order.reserve(3 * static_cast<std::size_t>(passes_));
      for (int c = 0; c < shape.chunks; ++c)
        stage.chunks.push_back(static_cast<std::size_t>(rule.place(shape, r, c).model_stage + 1));
      stage.activations = rule.activations(shape.stages, r);
      stage.weight_gradients = rule.weight_gradients(shape.stages, r);
      stages_.push_back(std::move(stage));
    }
  }

  std::vector<std::vector<Slot>> orders() {
    chosen_.resize(stages_.size());
    while (stages_unfinished()) tick();
    std::vector<std::vector<Slot>> orders;
    for (Stage& stage : stages_) orders.push_back(std::move(stage.order));
    return orders;
  }

 private:
  struct Stage {
    std::vector<Slot> order;
    std::vector<std::size_t> chunks;  // where they are in model_
    int activations = 0;              // limits of the rule
    int weight_gradients = 0;
    int forwards = 0, backwards = 0, weights = 0;  // run so far
    std::size_t next_weight = 0;                   // no weight gradient is missing before this slot
  };
  struct Progress {  // micro-batches through a model stage
    int forwards = 0, backwards = 0;
  };

  bool stages_unfinished() const {
    for (const Stage& stage : stages_)
      if (stage.weights < passes_) return true;
    return false;
  }

  // What runs in a tick depends on earlier ticks only: every stage chooses before any runs.
  void tick() {
    [[maybe_unused]] bool any = false;
    for (std::size_t r = 0; r < stages_.size(); ++r) {
      chosen_[r] = choice_of(stages_[r]);
      any = any || chosen_[r] != nullptr;
    }
    assert(any && "a rule must not stop before the end of the step");
    for (std::size_t r = 0; r < stages_.size(); ++r)
      if (chosen_[r] != nullptr) run(stages_[r], *chosen_[r]);
  }

  // nullptr if nothing is ready.
  const GreedyRule::Choice* choice_of(const Stage& stage) const {
    for (const GreedyRule::Choice& choice : rule_.choices)
      if (ready(stage, choice)) return &choice;
    return nullptr;
  }

  bool ready(const Stage& stage, const GreedyRule::Choice& choice) const {
    if (choice.kind == SlotKind::backward_weight) return stage.weights < stage.backwards;
    const std::size_t s = stage.chunks[static_cast<std::size_t>(choice.chunk)];
    return choice.kind == SlotKind::forward ? has_room(stage) && forward_ready(s) : backward_ready(s);
  }
  bool has_room(const Stage& stage) const {
    return stage.forwards - stage.backwards < stage.activations &&
           stage.forwards - stage.weights < stage.weight_gradients;
  }
  // A model stage has run its micro-batches in their order: counts say which outputs are there.
  bool forward_ready(std::size_t s) const { return model_[s - 1].forwards > model_[s].forwards; }
  bool backward_ready(std::size_t s) const {
    return model_[s].forwards > model_[s].backwards && model_[s + 1].backwards > model_[s].backwards;
  }

  void run(Stage& stage, const GreedyRule::Choice& choice) {
    if (choice.kind == SlotKind::backward_weight) return run_weight(stage);
    Progress& progress = model_[stage.chunks[static_cast<std::size_t>(choice.chunk)]];
    const bool forward = choice.kind == SlotKind::forward;
    ++(forward ? stage.forwards : stage.backwards);
    const int micro_batch = (forward ? progress.forwards : progress.backwards)++;
    stage.order.push_back(
        {.kind = choice.kind, .chunk = static_cast<std::int16_t>(choice.chunk), .micro_batch = micro_batch});
  }

  void run_weight(Stage& stage) {
    while (stage.order[stage.next_weight].kind != SlotKind::backward_input) ++stage.next_weight;
    Slot weight = stage.order[stage.next_weight++];
    weight.kind = SlotKind::backward_weight;
    stage.order.push_back(weight);
    ++stage.weights;
  }

  const GreedyRule& rule_;
  int passes_;  // of each kind, per stage
  std::vector<Progress>
      model_;  // by model stage, between the input of all micro-batches and the gradient of their loss
  std::vector<Stage> stages_;
  std::vector<const GreedyRule::Choice*> chosen_;
};

struct LastPass {
  const GreedyRule* rule = nullptr;
  int stages = 0, micro_batches = 0, chunks = 0;
  std::vector<std::vector<Slot>> orders;

  bool is_of(const GreedyRule& r, const PipelineShape& shape) const {
    return rule == &r && stages == shape.stages && micro_batches == shape.micro_batches && chunks == shape.chunks;
  }
};

}  // namespace

std::vector<Slot> greedy_slots(const GreedyRule& rule, const PipelineShape& shape, int stage) {
  thread_local LastPass last;
  if (!last.is_of(rule, shape))
    last = {&rule, shape.stages, shape.micro_batches, shape.chunks, GreedyPass(rule, shape).orders()};
  return last.orders[static_cast<std::size_t>(stage)];
}

}  // namespace trainyard
