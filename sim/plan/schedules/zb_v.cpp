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

// In chunks of half a stage. With m >= 2p the step takes its ideal time; with room for 3p weight gradients no stage
// idles on the way up to p = 8, and larger pipelines for less than 1 % of the step.
constexpr GreedyRule rule = {.choices = choices,
                             .place = v_shaped_place,
                             .activations = [](int stages, int /*stage*/) { return 2 * stages; },
                             .weight_gradients = [](int stages, int /*stage*/) { return 3 * stages; }};

}  // namespace

std::vector<Slot> zb_v_slots(const PipelineShape& shape, int stage) { return greedy_slots(rule, shape, stage); }

}  // namespace trainyard
