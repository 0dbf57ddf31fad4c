// The axes under a grid whose values do not depend on the grid, and the ways to place ranks: what each takes where the
// sweep does not say.
//
// An axis may have no effect under some grids: then all but one of its values repeat a structure (AxisChoice::repeats)
// and are excluded, so that no plan is in the space twice.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/sweep/plan_space.hpp"
#include "sim/plan/job.hpp"

namespace trainyard {

// Recomputation as one axis. Words: none, selective, full (every layer by itself), and block-1/4, block-1/2, block-3/4:
// full recomputation of this part of the layers of the fullest model chunk, rounded down. A part that rounds to no
// layer, or to as many as a smaller part, is excluded.
std::vector<std::string> recompute_words();
std::optional<AxisChoice> recompute_choice(std::string_view word, const Job& job);

// The automatic axes, in this order behind the axes that the sweep names:
//   sequence_parallel      false, true; true only where tp > 1
//   recompute              all recompute_words
//   data_parallel          ddp, zero1, zero2, fsdp. Left out: zero3, which pipelines cannot have and which without them
//                          moves the same bytes as fsdp; hsdp, which needs a shard degree. zero1 and zero2 are excluded
//                          where there is one data-parallel rank: they are ddp then; zero2 and fsdp where pp > 1, as no
//                          framework has them there (Megatron-LM's arguments refuse FSDP, DeepSpeed's pipeline engine
//                          ZeRO-2 and 3) but torchtitan, whose FSDP then keeps its gathers: name them to sweep them
//   overlap_grad_reduce    true, false; one of them where there is one data-parallel rank
//   overlap_param_gather   the same, and under ddp, which gathers nothing
// "One data-parallel rank" is dp * cp = 1 without experts: those may have replicas even then.
std::vector<SweepAxis> automatic_axes(const Job& job);

// Marks the choices of an axis of these keys that have no effect under some plans, as above; of any other key nothing.
// The first choice that stands for the same plan is kept.
void mark_repeats(SweepAxis& axis, const Job& job);

// tp-cp-ep-dp-pp and tp-cp-ep-pp-dp, Megatron's two; all: every permutation, of which ep has one place where the model
// has no experts. The default order of a plan is first.
std::vector<std::string> automatic_rank_orders();
std::vector<std::string> all_rank_orders(const Job& job);

// packed, scatter and rail; packed alone on a single node, where they are the same.
std::vector<Plan> automatic_placements(const Job& job);

}  // namespace trainyard
