#include "analysis/sweep/plan_space.hpp"

#include <cassert>
#include <utility>

namespace trainyard {

void apply(const ParallelGrid& grid, Plan& plan) {
  plan.tensor_parallel = grid.tp;
  plan.pipeline_parallel = grid.pp;
  plan.virtual_stages = grid.vpp;
  plan.context_parallel = grid.cp;
  plan.expert_parallel = grid.ep;
  plan.expert_tensor_parallel = grid.etp;
  plan.data_parallel = grid.dp;
  plan.micro_batch_size = grid.micro_batch_size;
  plan.schedule = grid.schedule;
}

PlanSpace::PlanSpace(Plan base, SpaceAxes axes) : base_(std::move(base)), axes_(std::move(axes)) {
  assert(!axes_.variants.empty());
  for (const SweepAxis& axis : axes_.inner) {
    assert(!axis.values.empty());
    inner_size_ *= std::ssize(axis.values);
  }
  place(base_, 0);
}

std::vector<int> PlanSpace::digits(StructureIndex s) const {
  std::vector<int> digits(axes_.inner.size());
  std::int64_t rest = s % inner_size_;
  for (std::size_t axis = axes_.inner.size(); axis-- > 0;) {
    const std::int64_t values = std::ssize(axes_.inner[axis].values);
    digits[axis] = static_cast<int>(rest % values);
    rest /= values;
  }
  return digits;
}

StructureIndex PlanSpace::structure_at(std::size_t grid, const std::vector<int>& digits) const {
  assert(digits.size() == axes_.inner.size());
  StructureIndex s = static_cast<StructureIndex>(grid);
  for (std::size_t axis = 0; axis < digits.size(); ++axis) s = s * std::ssize(axes_.inner[axis].values) + digits[axis];
  return s;
}

bool PlanSpace::choose(StructureIndex s, Plan& plan) const {
  bool repeats = false;
  std::int64_t below = inner_size_, rest = s % inner_size_;
  for (const SweepAxis& axis : axes_.inner) {
    below /= std::ssize(axis.values);
    const AxisChoice& choice = axis.values[static_cast<std::size_t>(rest / below)];
    rest %= below;
    repeats = repeats || (choice.repeats && choice.repeats(plan));
    choice.apply(plan);
  }
  return !repeats;
}

std::optional<Plan> PlanSpace::structure(StructureIndex s) const {
  std::optional<Plan> plan = base_;
  apply(grid(s), *plan);
  if (axes_.where && !axes_.where(*plan)) return std::nullopt;
  if (!choose(s, *plan)) plan.reset();
  return plan;
}

void PlanSpace::place(Plan& plan, int variant) const {
  const PlacementVariant& chosen = axes_.variants[static_cast<std::size_t>(variant)];
  plan.rank_order = chosen.rank_order;
  plan.placement = chosen.placement.placement;
  plan.explicit_placement = chosen.placement.explicit_placement;
  plan.placement_devices = chosen.placement.placement_devices;
  plan.free_rank_order = false;
}

Plan PlanSpace::plan(PlanIndex index) const {
  const StructureIndex s = index / variants();
  Plan plan = base_;
  apply(grid(s), plan);
  choose(s, plan);
  place(plan, static_cast<int>(index % variants()));
  return plan;
}

}  // namespace trainyard
