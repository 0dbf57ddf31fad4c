#include "analysis/trace/real_comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/trace/kineto_kernels.hpp"
#include "analysis/trace/shown_ranks.hpp"
#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

// Differences below this are rounding: traces count in nanoseconds.
constexpr Seconds rounding{1e-9};

using Works = std::array<WorkTime, work_codes>;

WorkTime& at(Works& works, const GpuWork& work) { return works[code_of(work)]; }

void add(WorkTime& sum, const WorkTime& part) {
  sum.busy += part.busy;
  sum.exposed += part.exposed;
  sum.calls += part.calls;
}

// Kinds of which one side does not say among whom: they are compared without the axis. True if there are any.
bool fold_unknown_axes(Works& predicted, Works& measured) {
  bool folded = false;
  for (int k = 0; k < collective_kinds; ++k) {
    const GpuWork whole{WorkCategory::collective, static_cast<CollectiveKind>(k)};
    if (at(measured, whole).calls == 0 && at(predicted, whole).calls == 0) continue;
    for (Works* side : {&predicted, &measured})
      for (int a = 0; a < axes; ++a) {
        WorkTime& part = at(*side, {WorkCategory::collective, whole.collective, static_cast<Axis>(a)});
        folded = folded || part.calls > 0;
        add(at(*side, whole), part);
        part = {};
      }
  }
  return folded;
}

class Builder {
 public:
  Builder(RealComparison& result, const GpuActivity& predicted, const GpuActivity& measured)
      : result_(result), predicted_(predicted), measured_(measured) {}

  void run() {
    if (fold_unknown_axes(predicted_.works, measured_.works))
      result_.notes.push_back(
          "the trace does not describe all process groups: what it leaves open is compared by kind of collective "
          "alone");
    part("step_time", "step time", 0, &GpuActivity::step);
    part("compute", "compute", 1, &GpuActivity::compute);
    for (int c = 0; c < compute_categories; ++c) kind_of_compute(static_cast<WorkCode>(c));
    part("exposed_communication", "exposed communication", 1, &GpuActivity::exposed_collectives);
    for (int c = compute_categories + 1; c < work_codes; ++c) collective(static_cast<WorkCode>(c));
    part("exposed_copies", "exposed copies and sets", 1, &GpuActivity::exposed_copies, true);
    part("idle", "idle", 1, &GpuActivity::idle, true);
  }

 private:
  void part(std::string key, std::string title, int level, Seconds GpuActivity::*field, bool leaf = false) {
    add_term({std::move(key), std::move(title), level, leaf, predicted_.*field, measured_.*field});
  }
  void add_term(MeasuredTerm term) {
    const bool silent = term.leaf && term.predicted.value == 0 && term.measured.value == 0;
    if (!silent) result_.terms.push_back(std::move(term));
  }
  void kind_of_compute(WorkCode code) {
    const GpuWork work = work_of(code);
    add_term({key_of(work), title_of(work), 2, true, predicted_.works[code].busy, measured_.works[code].busy});
  }
  void collective(WorkCode code) {
    const GpuWork work = work_of(code);
    const WorkTime &p = predicted_.works[code], &m = measured_.works[code];
    if (p.calls == 0 && m.calls == 0) return;
    add_term({"exposed_" + key_of(work), title_of(work), 2, true, p.exposed, m.exposed});
    result_.collectives.push_back({key_of(work), title_of(work), p, m});
  }

  RealComparison& result_;
  GpuActivity predicted_, measured_;
};

std::string largest_sentence(const std::vector<MeasuredTerm>& terms) {
  const MeasuredTerm* largest = nullptr;
  for (const MeasuredTerm& term : terms)
    if (term.leaf &&
        (largest == nullptr || std::fabs(term.difference().value) > std::fabs(largest->difference().value)))
      largest = &term;
  if (largest == nullptr || std::fabs(largest->difference().value) <= rounding.value)
    return "no part of the step differs by more than a nanosecond";
  const Seconds difference = largest->difference();
  const std::string title = largest->key.starts_with("exposed_") && largest->key != "exposed_copies"
                                ? "exposed " + largest->title
                                : largest->title;
  const std::string share = largest->predicted.value > 0 ? " (" + signed_percent(difference / largest->predicted) + ")"
                                                         : std::string(", of which none was predicted");
  const TimeScale scale(Seconds(std::fabs(difference.value)));
  return fmt::format("the largest difference is in {}: {} {} than predicted{}", title,
                     scale.with_unit(Seconds(std::fabs(difference.value))), difference.value > 0 ? "more" : "less",
                     share);
}

std::string step_note(const RealTrace& trace) {
  if (trace.whole_span)
    return fmt::format("{} has no ProfilerStep with kernels: from the first kernel to the last it is one step",
                       trace.file);
  std::string note =
      fmt::format("{}: mean of {} step{}", trace.file, trace.steps.size(), trace.steps.size() == 1 ? "" : "s");
  if (trace.first_step_dropped)
    note += "; the first, more than 1.5 times as long as the median of the others, is left out as a warm-up";
  if (trace.simulated) note += "; simulated itself";
  return note;
}

void note_trace(const RealTrace& trace, const SimulatedStep& step, std::vector<std::string>& notes) {
  notes.push_back(step_note(trace));
  const int world = step.layout.world_size();
  if (!trace.rank) notes.push_back(fmt::format("{} names no rank and is compared with rank 0", trace.file));
  if (trace.world_size.value_or(world) != world)
    notes.push_back(fmt::format("{} is of {} ranks, the scenario of {}", trace.file, *trace.world_size, world));
  if (trace.devices > 1)
    notes.push_back(fmt::format("{} holds {} GPUs, of which the busiest, {}, is compared", trace.file, trace.devices,
                                trace.device));
  if (trace.skipped_events > 0)
    notes.push_back(
        fmt::format("{}: {} GPU events without a sensible time are left out", trace.file, trace.skipped_events));
}

// As the traces come; every rank once.
std::vector<ShownRank> ranks_of(const SimulatedStep& step, const std::vector<MeasuredGpu>& gpus) {
  std::map<int, const RealTrace*> seen;
  std::vector<ShownRank> ranks;
  for (const MeasuredGpu& gpu : gpus) {
    const int rank = gpu.trace.rank.value_or(0);
    if (rank >= step.layout.world_size())
      throw InputError({gpu.trace.file, 0, 0},
                       fmt::format("is of rank {}, but the scenario has {} ranks", rank, step.layout.world_size()),
                       "compare it with a scenario of the same size");
    const auto [other, added] = seen.emplace(rank, &gpu.trace);
    if (!added)
      throw InputError({gpu.trace.file, 0, 0}, fmt::format("is of rank {}, as is {}", rank, other->second->file),
                       "one trace per rank");
    ranks.push_back(shown_ranks(std::to_string(rank), step, gpu.trace.file).front());
  }
  return ranks;
}

void sum_other_kernels(const std::vector<MeasuredGpu>& gpus, RealComparison& result) {
  std::map<std::string, NamedTime> sums;
  for (const MeasuredGpu& gpu : gpus) {
    result.kernel_time += gpu.trace.kernel_time;
    for (const NamedTime& kernel : gpu.trace.other_kernels) {
      NamedTime& sum = sums[kernel.name];
      sum.name = kernel.name;
      sum.time += kernel.time;
      sum.calls += kernel.calls;
    }
  }
  for (auto& [name, sum] : sums) result.other_kernels.push_back(std::move(sum));
  std::stable_sort(result.other_kernels.begin(), result.other_kernels.end(),
                   [](const NamedTime& a, const NamedTime& b) { return a.time > b.time; });
}

}  // namespace

MeasuredGpu measured_gpu(const std::string& path) {
  MeasuredGpu gpu{read_real_trace(path), {}};
  gpu.activity = gpu.trace.activity();
  gpu.trace.intervals = {};
  return gpu;
}

const MeasuredTerm* RealComparison::term(const std::string& key) const {
  const auto found = std::find_if(terms.begin(), terms.end(), [&](const MeasuredTerm& t) { return t.key == key; });
  return found == terms.end() ? nullptr : &*found;
}

RealComparison real_comparison(const Job& job, const SimulatedStep& step, const std::vector<MeasuredGpu>& gpus) {
  RealComparison result;
  result.scenario = job.name;
  std::vector<GpuActivity> predicted, measured;
  for (const ShownRank& rank : ranks_of(step, gpus)) predicted.push_back(simulated_activity(step, rank.list));
  for (const MeasuredGpu& gpu : gpus) {
    measured.push_back(gpu.activity);
    note_trace(gpu.trace, step, result.notes);
    result.traces.push_back(gpu.trace);
  }
  Builder(result, mean_of(predicted), mean_of(measured)).run();
  sum_other_kernels(gpus, result);
  result.largest = largest_sentence(result.terms);
  return result;
}

}  // namespace trainyard
