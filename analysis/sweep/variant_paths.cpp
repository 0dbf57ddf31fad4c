#include "analysis/sweep/variant_paths.hpp"

#include <algorithm>
#include <utility>

#include "sim/plan/schedule.hpp"

namespace trainyard {
namespace {

// Structures of a grid come one after the other and differ in a few kinds of sharding.
constexpr std::size_t most_kept = 16;

}  // namespace

VariantPaths::VariantPaths(const PlanSpace& space, const Routes& routes, bool moe)
    : space_(space), routes_(routes), moe_(moe) {}

VariantPaths::Key VariantPaths::key_of(const Plan& plan) {
  const ScheduleRow* schedule = find_schedule(plan.schedule);
  return {plan.tensor_parallel,
          plan.context_parallel,
          plan.pipeline_parallel,
          plan.data_parallel,
          plan.expert_parallel,
          plan.expert_tensor_parallel,
          plan.context_parallel_kind,
          plan.context_parallel_inner,
          plan.data_parallel_kind == DataParallelKind::hsdp,
          schedule != nullptr && schedule->copies > 1,
          plan.sharding};
}

int VariantPaths::number_of(const TierPath& path) {
  const auto known = std::find(paths_.begin(), paths_.end(), path);
  const auto number = static_cast<int>(known - paths_.begin());
  if (known == paths_.end()) paths_.push_back(path);
  return number;
}

Variant VariantPaths::variant(Plan plan, int index) {
  space_.place(plan, index);
  Variant v;
  v.layout = lay_out(plan, routes_.cluster());
  v.paths = communication_paths(plan, v.layout, routes_, moe_);
  v.path_numbers.reserve(v.paths.stages.size() * path_kinds);
  for (std::size_t stage = 0; stage < v.paths.stages.size(); ++stage)
    for (int kind = 0; kind < path_kinds; ++kind)
      v.path_numbers.push_back(
          number_of(path_at(v.paths, {static_cast<PathKind>(kind), static_cast<int>(stage), false})));
  return v;
}

const std::vector<Variant>& VariantPaths::of(const Plan& resolved) {
  const Key key = key_of(resolved);
  const auto known = std::find_if(known_.begin(), known_.end(), [&](const Entry& e) { return e.key == key; });
  if (known != known_.end()) return known->variants;
  if (known_.size() == most_kept) known_.pop_back();
  Entry& entry = known_.emplace_front(Entry{key, {}});
  for (int i = 0; i < space_.variants(); ++i) entry.variants.push_back(variant(resolved, i));
  return entry.variants;
}

}  // namespace trainyard
