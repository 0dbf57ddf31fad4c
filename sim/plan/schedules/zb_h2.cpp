// ZB-H2 (Qi et al., Zero Bubble Pipeline Parallelism, 2023): more forwards ahead than 1F1B fill the warm-up too. Stages
// run without a bubble when t_F = t_B = t_W and m >= 2p, one unit of time after each other; fewer micro-batches follow
// the same rule.
#include <array>

#include "sim/plan/schedules/greedy_pass.hpp"
#include "sim/plan/schedules/places.hpp"

namespace trainyard {
namespace {

constexpr std::array<GreedyRule::Choice, 3> choices = {
    {{SlotKind::backward_input}, {SlotKind::forward}, {SlotKind::backward_weight}}};

// The first backward of stage r comes back 2 (p - r) - 1 forwards after the stage's first.
constexpr GreedyRule rule = {.choices = choices,
                             .place = looped_place,
                             .activations = [](int stages, int stage) { return 2 * (stages - stage) - 1; },
                             .weight_gradients = [](int stages, int /*stage*/) { return 2 * stages - 1; }};

}  // namespace

std::vector<Slot> zb_h2_slots(const PipelineShape& shape, int stage) { return greedy_slots(rule, shape, stage); }

}  // namespace trainyard
