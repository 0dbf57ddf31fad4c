#include "sim/plan/schedules/greedy_pass.hpp"

#include <algorithm>
#include <cassert>
#include <deque>
#include <functional>
#include <queue>

namespace trainyard {
namespace {

class GreedyPass {
 public:
  GreedyPass(const GreedyRule& rule, const PipelineShape& shape)
      : rule_(rule),
        passes_(shape.micro_batches * shape.chunks),
        costs_(shape.costs),
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
    for (std::size_t r = 0; r < stages_.size(); ++r) free_.push_back(r);
    choose();
    while (!running_.empty()) {
      const int now = running_.top().end;
      for (; !running_.empty() && running_.top().end == now; running_.pop()) finish(running_.top());
      now_ = now;
      choose();
    }
    std::vector<std::vector<Slot>> orders;
    for (Stage& stage : stages_) {
      assert(stage.weights == passes_ && "a rule must not stop before the end of the step");
      orders.push_back(std::move(stage.order));
    }
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

  struct Running {
    int end = 0;
    std::size_t stage = 0;
    const GreedyRule::Choice* choice = nullptr;
    bool operator>(const Running& other) const { return end != other.end ? end > other.end : stage > other.stage; }
  };

  // Every free stage chooses by what has ended so far, before any of them is seen to run.
  void choose() {
    std::size_t kept = 0;
    for (const std::size_t r : free_) {
      const GreedyRule::Choice* choice = choice_of(stages_[r]);
      if (choice == nullptr)
        free_[kept++] = r;
      else
        start(r, *choice);
    }
    free_.resize(kept);
  }

  int cost_of(SlotKind kind) const {
    return kind == SlotKind::forward           ? costs_.forward
           : kind == SlotKind::backward_weight ? costs_.backward_weight
                                               : costs_.backward_input;
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
    if (choice.kind == SlotKind::backward_input) return backward_ready(s);
    return has_room(stage) && forward_ready(s) && (choice.chunk > 0 || leaves_room_for_return(stage));
  }
  // Activations on the way out must not fill the room that those on the way back need, or nothing could ever be freed:
  // the last place is for a stage's second chunk, unless one of that chunk is held and will be freed.
  bool leaves_room_for_return(const Stage& stage) const {
    if (stage.chunks.size() < 2) return true;
    const Progress& back = model_[stage.chunks[1]];
    return stage.forwards - stage.backwards + 1 < stage.activations || back.forwards > back.backwards;
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

  void start(std::size_t r, const GreedyRule::Choice& choice) {
    Stage& stage = stages_[r];
    running_.push({now_ + cost_of(choice.kind), r, &choice});
    if (choice.kind == SlotKind::backward_weight) return start_weight(stage);
    if (choice.kind == SlotKind::forward) ++stage.forwards;
    const Progress& progress = model_[stage.chunks[static_cast<std::size_t>(choice.chunk)]];
    stage.order.push_back({.kind = choice.kind,
                           .chunk = static_cast<std::int16_t>(choice.chunk),
                           .micro_batch = choice.kind == SlotKind::forward ? progress.forwards : progress.backwards});
  }
  void start_weight(Stage& stage) {
    while (stage.order[stage.next_weight].kind != SlotKind::backward_input) ++stage.next_weight;
    Slot weight = stage.order[stage.next_weight++];
    weight.kind = SlotKind::backward_weight;
    stage.order.push_back(weight);
  }

  void finish(const Running& done) {
    Stage& stage = stages_[done.stage];
    free_.push_back(done.stage);
    if (done.choice->kind == SlotKind::backward_weight) {
      ++stage.weights;
      return;
    }
    Progress& progress = model_[stage.chunks[static_cast<std::size_t>(done.choice->chunk)]];
    if (done.choice->kind == SlotKind::forward) {
      ++progress.forwards;
    } else {
      ++progress.backwards;
      ++stage.backwards;
    }
  }

  const GreedyRule& rule_;
  int passes_;  // of each kind, per stage
  PassCosts costs_;
  std::vector<Progress>
      model_;  // by model stage, between the input of all micro-batches and the gradient of their loss
  std::vector<Stage> stages_;
  int now_ = 0;
  std::vector<std::size_t> free_;  // stages that run nothing
  std::priority_queue<Running, std::vector<Running>, std::greater<>> running_;
};

struct KnownPass {
  const GreedyRule* rule = nullptr;
  int stages = 0, micro_batches = 0, chunks = 0;
  PassCosts costs;
  std::vector<std::vector<Slot>> orders;

  bool is_of(const GreedyRule& r, const PipelineShape& shape) const {
    return rule == &r && stages == shape.stages && micro_batches == shape.micro_batches && chunks == shape.chunks &&
           costs == shape.costs;
  }
};

}  // namespace

std::vector<Slot> greedy_slots(const GreedyRule& rule, const PipelineShape& shape, int stage) {
  // Every stage of a pipeline asks, and of several plans in turn where plans are compared.
  constexpr std::size_t most_known = 16;
  thread_local std::deque<KnownPass> known;
  auto pass = std::find_if(known.begin(), known.end(), [&](const KnownPass& p) { return p.is_of(rule, shape); });
  if (pass == known.end()) {
    if (known.size() == most_known) known.pop_back();
    known.push_front(
        {&rule, shape.stages, shape.micro_batches, shape.chunks, shape.costs, GreedyPass(rule, shape).orders()});
    pass = known.begin();
  }
  return pass->orders[static_cast<std::size_t>(stage)];
}

}  // namespace trainyard
