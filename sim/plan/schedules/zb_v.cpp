// ZB-V (Qi et al., Pipeline Parallelism with Controllable Memory, 2024): two chunks per stage in a V, so that the first
// backward starts where the last forward ended. Every stage holds p whole activations, as the first stage of 1F1B.
#include <array>

#include "sim/plan/schedules/greedy_pass.hpp"
#include "sim/plan/schedules/places.hpp"

namespace trainyard {
namespace {

// Of all orders of preference with weight gradients last, the one that leaves the least idle time.
constexpr std::array<GreedyRule::Choice, 5> choices = {{{SlotKind::backward_input, 0},
                                                        {SlotKind::forward, 1},
                                                        {SlotKind::forward, 0},
                                                        {SlotKind::backward_input, 1},
                                                        {SlotKind::backward_weight}}};

// In chunks of half a stage. As it is drawn, with equal passes: the step takes its ideal time from m >= 2p on; with
// room for 3p weight gradients no stage idles on the way up to p = 8, and larger pipelines for less than 1 % of the
// step.
constexpr GreedyRule drawn = {.choices = choices,
                              .place = v_shaped_place,
                              .activations = [](int stages, int /*stage*/) { return 2 * stages; },
                              .weight_gradients = [](int stages, int /*stage*/) { return 3 * stages; }};

// As it is planned from measured passes: an activation is held until its weight gradient, so that they are bounded too.
constexpr GreedyRule planned = {.choices = choices,
                                .place = v_shaped_place,
                                .activations = [](int stages, int /*stage*/) { return 2 * stages; },
                                .weight_gradients = [](int stages, int /*stage*/) { return 2 * stages; }};

}  // namespace

std::vector<Slot> zb_v_slots(const PipelineShape& shape, int stage) {
  return greedy_slots(shape.costs == PassCosts{} ? drawn : planned, shape, stage);
}

}  // namespace trainyard
