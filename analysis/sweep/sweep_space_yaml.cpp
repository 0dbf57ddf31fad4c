#include "analysis/sweep/sweep_space_yaml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <set>
#include <utility>

#include "analysis/sweep/plan_fields.hpp"
#include "analysis/sweep/space_axes.hpp"
#include "analysis/sweep/space_grids.hpp"
#include "analysis/sweep/sweep_keys_yaml.hpp"
#include "sim/plan/schedule.hpp"

namespace trainyard {
namespace {

struct GridKey {
  std::string_view key;
  GridAxis<int> GridRequest::*axis;
  int Plan::*field;
};
constexpr std::array<GridKey, 7> grid_keys = {
    {{"tensor_model_parallel_size", &GridRequest::tp, &Plan::tensor_parallel},
     {"pipeline_model_parallel_size", &GridRequest::pp, &Plan::pipeline_parallel},
     {"num_virtual_stages_per_pipeline_rank", &GridRequest::vpp, &Plan::virtual_stages},
     {"context_parallel_size", &GridRequest::cp, &Plan::context_parallel},
     {"expert_model_parallel_size", &GridRequest::ep, &Plan::expert_parallel},
     {"expert_tensor_parallel_size", &GridRequest::etp, &Plan::expert_tensor_parallel},
     {"micro_batch_size", &GridRequest::micro_batch_size, &Plan::micro_batch_size}}};
constexpr std::string_view data_parallel_size = "data_parallel_size", schedule_key = "schedule";
constexpr std::string_view rank_order_key = "rank_order", placement_key = "placement", recompute_key = "recompute";

// Plan keys that together are what an automatic axis varies.
bool is_said_otherwise(const SweepKeys& keys, std::string_view axis) {
  if (axis == recompute_key)
    return keys.is_said("recompute_granularity") || keys.is_said("recompute_method") ||
           keys.is_said("recompute_num_layers");
  if (axis == "data_parallel") return keys.is_said("use_distributed_optimizer");
  return false;
}

std::vector<int> whole_numbers(const SpaceKey& key) {
  std::vector<int> numbers;
  std::set<int> seen;
  for (const YamlValue& value : values_of(key)) {
    numbers.push_back(static_cast<int>(value.as_int(1, std::numeric_limits<int>::max())));
    if (!seen.insert(numbers.back()).second) fail_twice(value);
  }
  return numbers;
}

GridAxis<std::string> schedules_said(const SweepKeys& keys, const Plan& base) {
  GridAxis<std::string> axis;
  if (keys.is_fixed(schedule_key)) axis.named = {base.schedule};
  const SpaceKey* key = keys.varied(schedule_key);
  if (!key) return axis;
  axis.all = is_all(key->value);
  if (axis.all) return axis;
  for (const YamlValue& value : values_of(*key)) {
    std::string word = value.as_choice(schedule_names());
    if (std::find(axis.named.begin(), axis.named.end(), word) != axis.named.end()) fail_twice(value);
    axis.named.push_back(std::move(word));
  }
  return axis;
}

GridRequest grid_request(const SweepKeys& keys, const Plan& base) {
  GridRequest request;
  for (const GridKey& grid : grid_keys) {
    GridAxis<int>& axis = request.*grid.axis;
    if (keys.is_fixed(grid.key)) axis.named = {base.*grid.field};
    const SpaceKey* key = keys.varied(grid.key);
    axis.all = key && is_all(key->value);
    if (key && !axis.all) axis.named = whole_numbers(*key);
  }
  request.schedule = schedules_said(keys, base);
  if (keys.is_fixed(data_parallel_size)) request.dp = {base.data_parallel};
  if (const SpaceKey* key = keys.varied(data_parallel_size); key && !is_all(key->value))
    request.dp = whole_numbers(*key);
  return request;
}

class InnerAxes {
 public:
  InnerAxes(const SweepKeys& keys, const Job& job) : keys_(keys), job_(job) {}

  // Those that only the sweep names, then those that would also be automatic: see space_axes.hpp.
  std::vector<SweepAxis> axes() && {
    std::vector<SweepAxis> automatic = automatic_axes(job_);
    const auto named_elsewhere = [&](const SpaceKey& key) {
      return is_of_grid(key.key) || key.key == rank_order_key || key.key == placement_key ||
             std::any_of(automatic.begin(), automatic.end(), [&](const SweepAxis& a) { return a.key == key.key; });
    };
    for (const SpaceKey& key : keys_.varied())
      if (!named_elsewhere(key)) axes_.push_back(named(key));
    for (SweepAxis& axis : automatic) add_usual(std::move(axis));
    for (SweepAxis& axis : axes_) mark_repeats(axis, job_);
    return std::move(axes_);
  }

 private:
  static bool is_of_grid(std::string_view key) {
    return key == schedule_key || key == data_parallel_size ||
           std::any_of(grid_keys.begin(), grid_keys.end(), [&](const GridKey& g) { return g.key == key; });
  }

  void add_usual(SweepAxis axis) {
    const SpaceKey* key = keys_.varied(axis.key);
    if (key && axis.key == recompute_key) return axes_.push_back(recompute(*key, std::move(axis)));
    if (key) return axes_.push_back(named(*key));
    if (keys_.is_fixed(axis.key) || is_said_otherwise(keys_, axis.key)) return;
    if (axis.key == recompute_key) check_modules();
    axes_.push_back(std::move(axis));
  }

  SweepAxis recompute(const SpaceKey& key, SweepAxis automatic) const {
    if (is_said_otherwise(keys_, recompute_key))
      key.name.fail("space.recompute stands beside recompute_granularity, recompute_method or recompute_num_layers",
                    "one of the two is enough");
    check_modules();
    if (is_all(key.value)) return automatic;
    SweepAxis axis{key.key, {}};
    for (const YamlValue& value : values_of(key)) {
      const std::string word = value.as_choice(recompute_words());
      for (const AxisChoice& before : axis.values)
        if (before.text == word) fail_twice(value);
      axis.values.push_back(recompute_choice(word, job_).value());
    }
    return axis;
  }

  // They would be those of selective recomputation alone.
  void check_modules() const {
    if (const SpaceKey* modules = keys_.varied("recompute_modules"))
      modules->name.fail("space.recompute_modules needs selective recomputation",
                         "plan: {recompute_granularity: selective}");
  }

  SweepAxis named(const SpaceKey& key) {
    if (key.key == plan_batch)
      key.name.fail(fmt::format("{}: plans are compared at one batch", key.name.path()), "workload.global_batch_size");
    std::vector<std::string> texts;
    std::vector<Plan> plans;
    const bool all = is_all(key.value);
    for (const YamlValue& value : all ? every_value(key) : values_of(key)) {
      Plan plan = keys_.plan_with(key, value);
      plan.global_batch_size = job_.plan.global_batch_size;  // which the workload may have said
      const bool twice = std::find(plans.begin(), plans.end(), plan) != plans.end();
      if (twice && all) continue;  // another spelling
      if (twice) fail_twice(value);
      plans.push_back(std::move(plan));
      texts.push_back(text_of(value));
    }
    return carrying(key, texts, plans);
  }

  // An axis that copies what its key sets.
  SweepAxis carrying(const SpaceKey& key, const std::vector<std::string>& texts, const std::vector<Plan>& plans) {
    const std::vector<const PlanField*> fields = changed_fields(job_.plan, plans);
    for (const PlanField* field : fields) {
      if (field->of_grid)
        key.name.fail(fmt::format("{} sets the parallel sizes, too", key.name.path()), "layers_per_chunk does not");
      if (std::find(carried_.begin(), carried_.end(), field) != carried_.end())
        key.name.fail(fmt::format("{} sets what another axis of space sets", key.name.path()));
    }
    carried_.insert(carried_.end(), fields.begin(), fields.end());
    SweepAxis axis{key.key, {}};
    for (std::size_t i = 0; i < plans.size(); ++i) {
      const auto from = std::make_shared<const Plan>(plans[i]);
      axis.values.push_back({texts[i], [from, fields](Plan& to) {
                               for (const PlanField* field : fields) field->copy(*from, to);
                             }});
    }
    return axis;
  }

  // Of a key that is a choice or a switch.
  std::vector<YamlValue> every_value(const SpaceKey& key) const {
    std::vector<std::string> words = {"true", "false"};
    for (const auto& [choice, names] : choices)
      if (choice == key.key) words = names();
    const auto file = std::make_shared<const std::string>(key.value.where().file);
    std::vector<YamlValue> values;
    for (const std::string& word : words) {
      values.emplace_back(YAML::Node(word), file, key.value.path());
      try {
        keys_.plan_with(key, values.back());
      } catch (const InputError& e) {
        if (e.where().line > 0) throw;  // the key's fault
        key.value.fail(fmt::format("{} has no list of all its values", key.value.path()), "name those to try");
      }
    }
    return values;
  }

  struct Choice {
    std::string_view key;
    std::vector<std::string> (*names)();
  };
  static constexpr std::array<Choice, 6> choices = {{{"data_parallel", data_parallel_names},
                                                     {"recompute_granularity", recompute_names},
                                                     {"recompute_method", recompute_method_names},
                                                     {"cp_comm_type", context_parallel_names},
                                                     {"moe_token_dispatcher_type", dispatcher_names},
                                                     {"tp_comm_overlap_method", tp_overlap_method_names}}};
  static constexpr std::string_view plan_batch = "global_batch_size";

  const SweepKeys& keys_;
  const Job& job_;
  std::vector<SweepAxis> axes_;
  std::vector<const PlanField*> carried_;
};

[[noreturn]] void refuse_optimizer(const YamlValue& placement) {
  placement.fail(fmt::format("{} cannot be optimize: a sweep tries the placements itself", placement.path()),
                 "packed, scatter, rail, or all");
}

std::vector<Plan> placements(const SweepKeys& keys, const Job& job) {
  if (const auto fixed = keys.fixed(placement_key)) {
    if (job.plan.placement == PlacementKind::optimize) refuse_optimizer(*fixed);
    return {job.plan};
  }
  const SpaceKey* key = keys.varied(placement_key);
  if (!key || is_all(key->value)) return automatic_placements(job);
  std::vector<Plan> plans;
  for (const YamlValue& value : values_of(*key)) {
    plans.push_back(keys.plan_with(*key, value));
    if (plans.back().placement == PlacementKind::optimize) refuse_optimizer(value);
    if (std::find(plans.begin(), plans.end() - 1, plans.back()) != plans.end() - 1) fail_twice(value);
  }
  return plans;
}

std::vector<std::string> rank_orders(const SweepKeys& keys, const Job& job) {
  if (keys.is_fixed(rank_order_key)) return {job.plan.rank_order};
  const SpaceKey* key = keys.varied(rank_order_key);
  if (!key) return automatic_rank_orders();
  if (is_all(key->value)) return all_rank_orders(job);
  std::vector<std::string> orders;
  for (const YamlValue& value : values_of(*key)) {
    std::string order = keys.plan_with(*key, value).rank_order;
    if (std::find(orders.begin(), orders.end(), order) != orders.end()) fail_twice(value);
    orders.push_back(std::move(order));
  }
  return orders;
}

std::vector<PlacementVariant> variants(const SweepKeys& keys, const Job& job) {
  std::vector<PlacementVariant> all;
  const std::vector<Plan> placed = placements(keys, job);
  for (const std::string& order : rank_orders(keys, job))
    for (const Plan& placement : placed) all.push_back({order, placement});
  return all;
}

}  // namespace

SpaceAxes read_space(const std::optional<YamlValue>& space, const std::optional<YamlValue>& plan, const Job& job) {
  const SweepKeys keys(space, plan);
  SpaceAxes axes;
  axes.inner = InnerAxes(keys, job).axes();
  axes.variants = variants(keys, job);
  Job first = job;  // a grid is judged with the first way to place ranks
  first.plan.rank_order = axes.variants.front().rank_order;
  axes.grids = enumerate_grids(grid_request(keys, job.plan), first);
  return axes;
}

}  // namespace trainyard
