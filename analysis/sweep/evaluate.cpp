#include "analysis/sweep/evaluate.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "analysis/breakdown.hpp"
#include "analysis/memory_ledger.hpp"
#include "analysis/simulate.hpp"
#include "analysis/sweep/bounds.hpp"
#include "analysis/sweep/reason_family.hpp"
#include "analysis/sweep/skeleton.hpp"
#include "analysis/sweep/variant_paths.hpp"
#include "models/model_flops.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/pass_costs.hpp"
#include "sim/plan/check_plan.hpp"

namespace trainyard {
namespace {

struct StageBytes {
  Bytes peak{}, reserved{};
};

}  // namespace

// Variants of a structure whose programs differ in prices only.
struct SameProgram {
  std::vector<int> variants;
  StepInputs inputs;                     // of the first variant
  const StepProgram* program = nullptr;  // what is priced: the outline, or the whole program where there is no skeleton
  std::shared_ptr<const Skeleton> skeleton;
  StageBytes memory;
};

class Evaluator::Impl {
 public:
  Impl(const Sweep& sweep, const Routes& routes, std::shared_ptr<Skeletons> skeletons)
      : sweep_(sweep),
        routes_(routes),
        job_(sweep.job),
        variants_(sweep.space, routes, sweep.job.model.moe.has_value()),
        limit_(allocatable(sweep.job.profile, sweep.job.cluster.gpu_memory)),
        skeletons_(skeletons == nullptr ? std::make_shared<Skeletons>() : std::move(skeletons)) {}

  void structure(StructureIndex s, const Incumbents& incumbents, int only, Batch& batch) {
    const std::int64_t count = only >= 0 ? 1 : sweep_.space.variants();
    const std::optional<Plan> plan = sweep_.space.structure(s);
    if (!plan) {
      batch.counts.excluded += count;
      return;
    }
    const std::vector<PlanProblem> problems = check_plan(*plan, job_.model, job_.workload, job_.cluster);
    structure_ = s;
    incumbents_ = &incumbents;
    batch_ = &batch;
    if (!problems.empty()) return count_infeasible(problems.front(), count);
    plan_ = resolved(*plan, job_.model, job_.cluster);
    all_ = plan_.global_batch_size / (plan_.micro_batch_size * plan_.data_parallel);
    legal(only);
  }

  int variants() const { return sweep_.space.variants(); }

 private:
  const Profile& profile() const { return overridden_ ? *overridden_ : job_.profile; }
  PricingContext pricing() {
    PricingContext context{&profile(), job_.cluster.world_size(), plan_.tensor_parallel, gathers_units(plan_)};
    context.known = &collectives_;
    return context;
  }

  void legal(int only) {
    overridden_.reset();
    if (changes_stack(plan_)) {
      overridden_ = job_.profile;
      overridden_->stack = effective_stack(plan_, job_.profile.stack);
    }
    const std::vector<Variant>& variants = variants_.of(plan_);
    std::vector<bool> done = illegal_variants(only);
    for (std::size_t v = 0; v < variants.size(); ++v) {
      if (only >= 0 && static_cast<std::size_t>(only) != v) continue;
      if (done[v]) continue;
      SameProgram group = group_of(variants, v, only, done);
      run(group, variants);
    }
  }

  // Which rank orders are legal depends on the grid of the experts; where ranks sit never does.
  std::vector<bool> illegal_variants(int only) {
    std::vector<bool> illegal(static_cast<std::size_t>(sweep_.space.variants()), false);
    if (!job_.model.moe) return illegal;
    Plan placed = plan_;
    for (int v = 0; v < sweep_.space.variants(); ++v) {
      if (only >= 0 && only != v) continue;
      sweep_.space.place(placed, v);
      const std::vector<PlanProblem> problems = check_plan(placed, job_.model, job_.workload, job_.cluster);
      if (problems.empty()) continue;
      illegal[static_cast<std::size_t>(v)] = true;
      count_infeasible(problems.front(), 1);
    }
    return illegal;
  }
  void count_infeasible(const PlanProblem& problem, std::int64_t plans) {
    batch_->counts.infeasible += plans;
    std::string& family = families_[problem.reason];
    if (family.empty()) family = reason_family(problem.reason);
    batch_->counts.infeasible_reasons[family] += plans;
  }

  StepInputs inputs_of(const Variant& variant) {
    StepInputs in{&plan_, &job_.model, &job_.workload, &profile().stack, &variant.layout, &variant.paths, {}};
    return in;
  }

  SameProgram group_of(const std::vector<Variant>& variants, std::size_t first, int only, std::vector<bool>& done) {
    SameProgram group;
    group.inputs = inputs_of(variants[first]);
    const CommunicationPaths& paths = variants[first].paths;
    for (std::size_t v = first; v < variants.size(); ++v) {
      const CommunicationPaths& other = variants[v].paths;
      if (done[v] || (only >= 0 && v != first)) continue;
      if (other.cp_inner != paths.cp_inner || other.ep_nodes != paths.ep_nodes ||
          other.shard_group != paths.shard_group)
        continue;
      done[v] = true;
      group.variants.push_back(static_cast<int>(v));
    }
    return group;
  }

  // Largest allocation and reservation of any stage, as memory_ledger.
  StageBytes memory_of(const StepProgram& outline, const std::vector<std::vector<std::int32_t>>& orders) {
    const StackProfile& stack = profile().stack;
    std::vector<std::pair<double, double>> changes;  // at start, at end
    for (const std::vector<MemoryChange>& change : outline.memory_changes) {
      changes.emplace_back(0, 0);
      for (const MemoryChange& c : change) {
        changes.back().first += c.at_start.value;
        changes.back().second += c.at_end.value;
      }
    }
    StageBytes most;
    for (std::size_t k = 0; k < outline.kinds.size(); ++k) {
      Bytes resident{};
      for (const Bytes b : outline.kinds[k].resident) resident += b;
      double now = (resident + profile().device.blas_workspace).value, peak = now;
      for (const std::int32_t m : orders[k]) {
        const auto& [start, end] = changes[static_cast<std::size_t>(m)];
        now += start;
        peak = std::max(peak, now);
        now += end;
      }
      most.peak = std::max(most.peak, Bytes(peak));
      most.reserved = std::max(most.reserved, reserved_for(resident, Bytes(peak), stack));
    }
    return most;
  }

  bool hopeless(Seconds bound, Bytes peak) const {
    if (incumbents_->largest && peak > *incumbents_->largest) return true;
    if (!incumbents_->slowest_best || bound <= *incumbents_->slowest_best) return false;
    return std::any_of(incumbents_->front.begin(), incumbents_->front.end(),
                       [&](const Incumbents::Point& p) { return p.step_time < bound && p.peak <= peak; });
  }

  // One variant for each way in which ranks cross links.
  void drop_equal_placements(SameProgram& group, const std::vector<Variant>& variants) {
    std::vector<std::vector<int>> seen;
    std::vector<int> kept;
    for (const int v : group.variants) {
      std::vector<int> numbers;
      for (const PathKey& key : group.program->path_keys)
        numbers.push_back(
            variants[static_cast<std::size_t>(v)]
                .path_numbers[static_cast<std::size_t>(key.stage * path_kinds) + static_cast<std::size_t>(key.kind)]);
      // A slow GPU makes it matter which one a rank has.
      if (job_.cluster.stragglers.any()) {
        const RankLayout& layout = variants[static_cast<std::size_t>(v)].layout;
        numbers.insert(numbers.end(), {layout.tp_stride, layout.cp_stride, layout.dp_stride, layout.pp_stride});
        for (const DeviceId device : layout.device) numbers.push_back(device.value);
      }
      if (std::find(seen.begin(), seen.end(), numbers) != seen.end()) {
        ++batch_->counts.same_placement;
        continue;
      }
      seen.push_back(std::move(numbers));
      kept.push_back(v);
    }
    group.variants = std::move(kept);
  }

  void run(SameProgram& group, const std::vector<Variant>& variants) {
    bounds_.about(group.inputs, all_);
    const LeastMemory least = bounds_.memory(profile());
    std::vector<int> hopeful;
    for (const int v : group.variants) {
      if (least.reserved > limit_)
        ++batch_->counts.out_of_memory;
      else if (hopeless(bounds_.time(pricing(), variants[static_cast<std::size_t>(v)].paths), least.peak))
        ++batch_->counts.pruned;
      else
        hopeful.push_back(v);
    }
    group.variants = std::move(hopeful);
    const bool plans_ahead = find_schedule(plan_.schedule)->plans_ahead;
    while (!group.variants.empty()) {
      SameProgram same = group;
      if (plans_ahead)
        same = split_by_costs(group, variants);
      else
        group.variants.clear();
      simulate(same, variants);
    }
  }

  // Schedules that plan ahead order their passes by what these take, placement by placement. Takes the variants out of
  // `group` that order them as its first does.
  SameProgram split_by_costs(SameProgram& group, const std::vector<Variant>& variants) {
    SameProgram same = group;
    same.variants.clear();
    std::vector<int> others;
    for (const int v : group.variants) {
      const StepInputs inputs = inputs_of(variants[static_cast<std::size_t>(v)]);
      const PassCosts costs = pass_costs(inputs, pricing());
      if (same.variants.empty()) {
        same.inputs = inputs;
        same.inputs.pass_costs = costs;
      }
      (costs == same.inputs.pass_costs ? same.variants : others).push_back(v);
    }
    group.variants = std::move(others);
    return same;
  }

  void simulate(SameProgram& group, const std::vector<Variant>& variants) {
    lengths_ = shortened(plan_, all_);
    const Plan outlined = with_micro_batches(plan_, lengths_.outline);
    StepInputs in = group.inputs;
    in.plan = &outlined;
    outline_ = build_outline(in, bounds_.parts());
    group.program = &outline_;
    group.skeleton = skeletons_->of(*group.program, group.inputs, lengths_.skeleton, lengths_.group);
    if (group.skeleton == nullptr) {
      whole_ = build_step(group.inputs, Granularity::block);
      group.program = &whole_;
    }
    group.memory =
        memory_of(*group.program, group.skeleton != nullptr ? group.skeleton->memory : memory_orders(whole_));
    if (group.memory.reserved > limit_) {
      batch_->counts.out_of_memory += std::ssize(group.variants);
      return;
    }
    drop_equal_placements(group, variants);
    for (const int v : group.variants) variant(group, v, variants[static_cast<std::size_t>(v)]);
  }

  void variant(const SameProgram& group, int number, const Variant& v) {
    PricingContext context = pricing();
    const std::vector<std::vector<Tier>> paths = paths_of(group, v);
    context.paths = &paths;
    add_evaluated(group, price_works(*group.program, context, bounds_.segments(context, v.paths)), number);
  }

  static std::vector<std::vector<Tier>> paths_of(const SameProgram& group, const Variant& v) {
    std::vector<std::vector<Tier>> paths;
    paths.reserve(group.program->path_keys.size());
    for (const PathKey& key : group.program->path_keys) paths.push_back(path_at(v.paths, key));
    return paths;
  }

  void add_evaluated(const SameProgram& group, const std::vector<WorkPrice>& works, int number) {
    Plan placed = plan_;
    sweep_.space.place(placed, number);
    EvaluatedPlan plan;
    plan.index = structure_ * sweep_.space.variants() + number;
    try {
      plan.step_time = job_.cluster.stragglers.any() ? every_rank(placed) : step_time(group, works);
    } catch (const StuckProgram&) {
      return count_infeasible({"schedule", "transfers of the schedule wait for each other", false}, 1);
    }
    plan.peak = group.memory.peak;
    plan.reserved = group.memory.reserved;
    const Flops model =
        model_flops(job_.model, FlopsConvention::megatron_lm, plan_.global_batch_size, job_.workload.sequence_length);
    plan.mfu = (model / static_cast<double>(job_.cluster.world_size())) / plan.step_time / peak_rate();
    plan.key = canonical_key(placed);
    ++batch_->counts.evaluated;
    batch_->plans.push_back(std::move(plan));
  }

  // Slow GPUs and links make ranks differ, which programs of one rank per stage cannot show.
  Seconds every_rank(const Plan& placed) {
    job_.plan = placed;
    return simulate_step(job_, routes_).result.step_time;
  }

  FlopsPerSecond peak_rate() const { return dense_peak(job_.workload.precision, profile().device); }

  Seconds step_time(const SameProgram& group, const std::vector<WorkPrice>& works) {
    std::shared_ptr<const Skeleton> skeleton = group.skeleton;
    while (skeleton != nullptr) {
      const CompiledStep::Times times = skeleton->step.run(works, ends_);
      const int rest = all_ - skeleton->micro_batches;
      if (rest == 0) return times.step;
      if (times.per_group) return times.step + (static_cast<double>(rest) / lengths_.group) * *times.per_group;
      // The transient is longer.
      const int twice =
          skeleton->micro_batches + std::max(1, skeleton->micro_batches / lengths_.group) * lengths_.group;
      skeleton = skeletons_->of(*group.program, group.inputs, std::min(twice, all_), lengths_.group);
    }
    const StepProgram whole = group.skeleton == nullptr ? whole_ : build_step(group.inputs, Granularity::block);
    PricedProgram priced;
    priced.works = works;
    return trainyard::step_time(whole, run_analytic(whole, priced));
  }

  const Sweep& sweep_;
  const Routes& routes_;
  Job job_;
  VariantPaths variants_;
  Bytes limit_;
  std::shared_ptr<Skeletons> skeletons_;
  std::unordered_map<std::string, std::string> families_;  // of reasons
  Bounds bounds_;
  CollectiveTimes collectives_;
  std::vector<double> ends_;

  // of the structure at hand
  Plan plan_;
  StructureIndex structure_ = 0;
  int all_ = 1;  // micro-batches
  ShortStep lengths_;
  StepProgram outline_;
  StepProgram whole_;  // where there is no skeleton
  std::optional<Profile> overridden_;
  const Incumbents* incumbents_ = nullptr;
  Batch* batch_ = nullptr;
};

Evaluator::Evaluator(const Sweep& sweep, const Routes& routes, std::shared_ptr<Skeletons> skeletons)
    : impl_(std::make_unique<Impl>(sweep, routes, std::move(skeletons))) {}
Evaluator::~Evaluator() = default;

std::optional<EvaluatedPlan> Evaluator::evaluate(PlanIndex index, const Incumbents& incumbents) {
  const int variants = impl_->variants();
  Batch batch;
  impl_->structure(index / variants, incumbents, static_cast<int>(index % variants), batch);
  if (batch.plans.empty()) return std::nullopt;
  return std::move(batch.plans.front());
}

Batch Evaluator::evaluate(std::int64_t number, StructureIndex first, StructureIndex last,
                          const Incumbents& incumbents) {
  Batch batch;
  batch.number = number;
  for (StructureIndex s = first; s < last; ++s) impl_->structure(s, incumbents, -1, batch);
  std::sort(batch.plans.begin(), batch.plans.end(),
            [](const EvaluatedPlan& a, const EvaluatedPlan& b) { return a.index < b.index; });
  return batch;
}

}  // namespace trainyard
