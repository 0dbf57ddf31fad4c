#include "analysis/sweep/skeleton.hpp"

#include <algorithm>
#include <utility>

#include "sim/plan/schedule.hpp"

namespace trainyard {
namespace {

// Some 30 bytes each.
constexpr std::size_t most_instructions_kept = 3'000'000;

// What decides who meets whom.
struct Meeting {
  std::size_t type = 0;
  int key = 0;
  int parties = 0;
  friend bool operator==(const Meeting&, const Meeting&) = default;
};
Meeting meeting_of(const Work& work) {
  Meeting m{work.index(), 0, 0};
  if (const auto* s = std::get_if<Send>(&work)) m.key = s->channel;
  if (const auto* r = std::get_if<Receive>(&work)) m.key = r->channel;
  if (const auto* c = std::get_if<Collective>(&work)) m.key = c->rendezvous, m.parties = c->parties;
  return m;
}

struct KindShape {
  std::vector<Instruction> instructions;
  std::vector<InstructionId> after;
};

std::uint64_t hash_of(const StepProgram& outline) {
  std::uint64_t h = outline.kinds.size();
  const auto mix = [&h](std::int64_t value) {
    h = (h ^ static_cast<std::uint64_t>(value)) * 0x9e3779b97f4a7c15ULL;
    h ^= h >> 29;
  };
  mix(static_cast<std::int64_t>(outline.works.size()));
  mix(static_cast<std::int64_t>(outline.memory_changes.size()));
  for (const RankKind& kind : outline.kinds) {
    mix(static_cast<std::int64_t>(kind.instructions.size()));
    mix(static_cast<std::int64_t>(kind.after.size()));
    if (!kind.instructions.empty()) mix(kind.instructions.back().work);
  }
  return h;
}

}  // namespace

ShortStep shortened(const Plan& plan, int all) {
  const ScheduleRow& schedule = *find_schedule(plan.schedule);
  const int pp = plan.pipeline_parallel;
  ShortStep s;
  const bool grouped = schedule.virtual_stages == 0 && schedule.periodic;
  if (grouped) s.group = plan.interleave_group > 0 ? plan.interleave_group : pp;
  const auto at_most_all = [&](int groups) {
    const std::int64_t count = std::int64_t{groups} * s.group + all % s.group;
    return count < all ? static_cast<int>(count) : all;
  };
  s.outline = grouped ? at_most_all(1) : at_most_all(std::max(4, 2 * pp));
  // Enough for the transient of the schedule to pass and for the cycles to be compared.
  const int groups = grouped ? 7 : schedule.plans_ahead ? 4 * pp + 8 : schedule.splits_backward ? 3 * pp + 6 : pp + 6;
  s.skeleton = schedule.periodic ? at_most_all(groups) : all;
  return s;
}

Plan with_micro_batches(const Plan& resolved, int micro_batches) {
  Plan plan = resolved;
  plan.global_batch_size = micro_batches * resolved.micro_batch_size * resolved.data_parallel;
  return plan;
}

std::vector<std::vector<std::int32_t>> memory_orders(const StepProgram& program) {
  std::vector<std::vector<std::int32_t>> orders;
  for (const RankKind& kind : program.kinds) {
    std::vector<std::int32_t>& order = orders.emplace_back();
    for (const Instruction& i : kind.instructions)
      if (i.memory >= 0) order.push_back(i.memory);
  }
  return orders;
}

struct Skeletons::Entry {
  std::uint64_t hash = 0;
  // The program is a function of these …
  std::string schedule;
  int micro_batches = 0, group = 0;
  PassCosts costs;
  // … and of what its outline shows.
  std::vector<KindShape> kinds;
  std::vector<Meeting> meetings;
  std::shared_ptr<const Skeleton> skeleton;  // nullptr: known not to work
  std::size_t instructions = 0;
  std::uint64_t used = 0;  // at that time of the clock

  bool is_of(const StepProgram& outline) const {
    if (outline.kinds.size() != kinds.size() || outline.works.size() != meetings.size()) return false;
    for (std::size_t k = 0; k < kinds.size(); ++k)
      if (outline.kinds[k].instructions != kinds[k].instructions || outline.kinds[k].after != kinds[k].after)
        return false;
    for (std::size_t w = 0; w < meetings.size(); ++w)
      if (meeting_of(outline.works[w]) != meetings[w]) return false;
    return true;
  }
};

namespace {

// Are works, paths and memory changes of both numbered alike?
bool numbered_alike(const StepProgram& outline, const StepProgram& whole) {
  return outline.works == whole.works && outline.path_keys == whole.path_keys &&
         outline.memory_changes == whole.memory_changes;
}

std::shared_ptr<const Skeleton> compiled(const StepProgram& program, int micro_batches, int group) {
  std::optional<CompiledStep> step = CompiledStep::compile(program, group);
  if (!step) return nullptr;
  return std::make_shared<const Skeleton>(Skeleton{*std::move(step), micro_batches, group, memory_orders(program)});
}

}  // namespace

Skeletons::Entries Skeletons::with_hash(std::uint64_t hash) {
  const std::scoped_lock lock(mutex_);
  Entries entries;
  for (const std::shared_ptr<Entry>& entry : known_)
    if (entry->hash == hash) entries.push_back(entry);
  return entries;
}

// Forgets those that were used longest ago.
void Skeletons::keep(std::shared_ptr<Entry> entry) {
  const std::scoped_lock lock(mutex_);
  entry->used = ++clock_;
  kept_ += entry->instructions;
  known_.push_back(std::move(entry));
  while (kept_ > most_instructions_kept && known_.size() > 1) {
    const auto oldest =
        std::min_element(known_.begin(), known_.end(), [](const auto& a, const auto& b) { return a->used < b->used; });
    kept_ -= (*oldest)->instructions;
    known_.erase(oldest);
  }
}

std::shared_ptr<const Skeleton> Skeletons::of(const StepProgram& outline, const StepInputs& inputs, int micro_batches,
                                              int group) {
  const std::uint64_t hash = hash_of(outline);
  for (const std::shared_ptr<Entry>& e : with_hash(hash)) {
    if (e->micro_batches != micro_batches || e->group != group || e->schedule != inputs.plan->schedule ||
        e->costs != inputs.pass_costs || !e->is_of(outline))
      continue;
    const std::scoped_lock lock(mutex_);
    e->used = ++clock_;
    return e->skeleton;
  }
  auto entry = std::make_shared<Entry>();
  entry->hash = hash;
  entry->schedule = inputs.plan->schedule;
  entry->micro_batches = micro_batches;
  entry->group = group;
  entry->costs = inputs.pass_costs;
  for (const RankKind& kind : outline.kinds) entry->kinds.push_back({kind.instructions, kind.after});
  for (const Work& work : outline.works) entry->meetings.push_back(meeting_of(work));
  const Plan shorter = with_micro_batches(*inputs.plan, micro_batches);
  StepInputs in = inputs;
  in.plan = &shorter;
  const StepProgram whole = build_step(in, Granularity::block);
  if (numbered_alike(outline, whole)) entry->skeleton = compiled(whole, micro_batches, group);
  entry->instructions = whole.instruction_count();
  const std::shared_ptr<const Skeleton> skeleton = entry->skeleton;
  keep(std::move(entry));
  return skeleton;
}

}  // namespace trainyard
