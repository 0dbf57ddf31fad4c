#include <algorithm>

#include "analysis/trace/real_events.hpp"

namespace trainyard {
namespace {

// A first step that took so much longer than the others is a warm-up: compilation, autotuning, first allocations.
constexpr double warm_up = 1.5;
constexpr std::size_t fewest_to_drop = 3;

std::int64_t length(const StepWindow& window) { return window.end - window.start; }

// A step ends where the next begins.
std::vector<StepWindow> joined(std::vector<StepWindow> steps) {
  std::sort(steps.begin(), steps.end(), [](const StepWindow& a, const StepWindow& b) { return a.start < b.start; });
  for (std::size_t i = 0; i + 1 < steps.size(); ++i) steps[i].end = steps[i + 1].start;
  std::erase_if(steps, [](const StepWindow& w) { return length(w) <= 0; });
  return steps;
}

// Steps in which no kernel starts measure nothing: a profiler's last annotation may be all but empty.
void keep_busy(std::vector<StepWindow>& steps, const std::vector<GpuInterval>& intervals) {
  std::vector<bool> busy(steps.size());
  for (const GpuInterval& interval : intervals) {
    const auto after = std::upper_bound(steps.begin(), steps.end(), interval.start,
                                        [](std::int64_t t, const StepWindow& w) { return t < w.start; });
    if (after == steps.begin()) continue;
    const auto at = std::prev(after);
    if (interval.start < at->end) busy[static_cast<std::size_t>(at - steps.begin())] = true;
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (busy[i]) steps[kept++] = steps[i];
  steps.resize(kept);
}

bool first_is_warm_up(const std::vector<StepWindow>& steps) {
  if (steps.size() < fewest_to_drop) return false;
  std::vector<std::int64_t> others;
  for (std::size_t i = 1; i < steps.size(); ++i) others.push_back(length(steps[i]));
  const auto middle = others.begin() + static_cast<std::ptrdiff_t>(others.size() / 2);
  std::nth_element(others.begin(), middle, others.end());
  return static_cast<double>(length(steps.front())) > warm_up * static_cast<double>(*middle);
}

StepWindow span_of(const std::vector<GpuInterval>& intervals) {
  StepWindow span{intervals.front().start, intervals.front().end};
  for (const GpuInterval& interval : intervals) {
    span.start = std::min(span.start, interval.start);
    span.end = std::max(span.end, interval.end);
  }
  return span;
}

}  // namespace

void choose_steps(const AnnotatedSteps& annotated, RealTrace& trace) {
  trace.annotated_steps = static_cast<int>(std::max(annotated.on_gpu.size(), annotated.on_host.size()));
  trace.steps = joined(annotated.on_gpu.empty() ? annotated.on_host : annotated.on_gpu);
  keep_busy(trace.steps, trace.intervals);
  trace.first_step_dropped = first_is_warm_up(trace.steps);
  if (trace.first_step_dropped) trace.steps.erase(trace.steps.begin());
  trace.whole_span = trace.steps.empty();
  if (trace.whole_span) trace.steps = {span_of(trace.intervals)};
}

}  // namespace trainyard
