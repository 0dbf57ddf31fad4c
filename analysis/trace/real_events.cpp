#include "analysis/trace/real_events.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "analysis/trace/real_kernel_names.hpp"

namespace trainyard {
namespace {

// Names kept at most: of kernels known by name, and of kernels of no family; a trace of a model has some hundreds.
constexpr std::size_t most_names = 20'000;
constexpr std::string_view further_names = "(further names)";

// Microseconds beyond which a time is none: 2^53 ns are 104 days, and absolute times since 1970 are 1.8e15 us.
constexpr double latest_time = 4e15;

std::int64_t nanoseconds(double microseconds) { return std::llround(microseconds * 1000.0); }

bool is_gpu_work(std::string_view category) {
  // Older Kineto writes "Kernel", "Memcpy" and "Memset".
  for (const std::string_view known : {"kernel", "gpu_memcpy", "gpu_memset", "Kernel", "Memcpy", "Memset"})
    if (category == known) return true;
  return false;
}

std::optional<std::int64_t> step_number(std::string_view name) {
  constexpr std::string_view prefix = "ProfilerStep#";
  if (!name.starts_with(prefix)) return std::nullopt;
  std::int64_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, number);
  return error == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

}  // namespace

void RealEvent::clear() {
  phase.clear();
  category.clear();
  name.clear();
  collective.clear();
  description.clear();
  has_start = has_duration = false;
  process.reset();
  device.reset();
}

void RealEvents::add(const RealEvent& event) {
  if (event.phase != "X") return;
  const bool work = is_gpu_work(event.category);
  const std::optional<std::int64_t> step = work ? std::nullopt : step_number(event.name);
  if (!work && !step) return;
  const bool sensible = event.has_start && event.has_duration && std::fabs(event.start) < latest_time &&
                        event.duration >= 0 && event.duration < latest_time;
  if (!sensible) {
    ++skipped_;
    return;
  }
  const std::int64_t start = nanoseconds(event.start), end = start + nanoseconds(event.duration);
  if (work) return add_kernel(event, start, end);
  Annotations& annotations = event.category.starts_with("gpu_") ? on_gpu_ : on_host_;
  const auto [known, added] = annotations.try_emplace(*step, Annotation{start, end});
  if (added) return;
  known->second.start = std::min(known->second.start, start);
  known->second.end = std::max(known->second.end, end);
}

void RealEvents::add_kernel(const RealEvent& event, std::int64_t start, std::int64_t end) {
  const WorkCode code = code_of(work_of(event));
  Device& device = devices_[event.device.value_or(event.process.value_or(0))];
  device.intervals.push_back({start, end, code});
  device.busy += end - start;
  if (code == code_of({WorkCategory::other})) note_other(event.name, end - start);
}

GpuWork RealEvents::work_of(const RealEvent& event) {
  if (!event.collective.empty() || !event.description.empty())
    return work_of_kernel(event.category, event.name, event.collective, event.description);
  const auto known = known_names_.find(event.name);
  if (known != known_names_.end()) return trainyard::work_of(known->second);
  const GpuWork work = work_of_kernel(event.category, event.name);
  if (known_names_.size() < most_names) known_names_.emplace(event.name, code_of(work));
  return work;
}

void RealEvents::note_other(const std::string& name, std::int64_t time) {
  const bool room = other_.size() < most_names || other_.contains(name);
  Sum& sum = other_[room ? name : std::string(further_names)];
  sum.time += time;
  ++sum.calls;
}

bool RealEvents::finish(RealTrace& trace) const {
  if (devices_.empty()) return false;
  const auto busiest = std::max_element(devices_.begin(), devices_.end(),
                                        [](const auto& a, const auto& b) { return a.second.busy < b.second.busy; });
  trace.device = static_cast<int>(std::clamp<std::int64_t>(busiest->first, 0, std::numeric_limits<int>::max()));
  trace.devices = static_cast<int>(devices_.size());
  trace.intervals = busiest->second.intervals;
  trace.kernel_time = Seconds(static_cast<double>(busiest->second.busy) * 1e-9);
  trace.skipped_events = skipped_;
  for (const auto& [name, sum] : other_)
    trace.other_kernels.push_back({name, Seconds(static_cast<double>(sum.time) * 1e-9), sum.calls});
  std::sort(trace.other_kernels.begin(), trace.other_kernels.end(), [](const NamedTime& a, const NamedTime& b) {
    return a.time != b.time ? a.time > b.time : a.name < b.name;
  });
  AnnotatedSteps steps;
  for (const auto& [number, at] : on_gpu_) {
    // On the GPU a step ends with its last kernel; how long it took until the next could start, the host knows.
    const auto host = on_host_.find(number);
    const std::int64_t length = host == on_host_.end() ? 0 : host->second.end - host->second.start;
    steps.on_gpu.push_back({at.start, std::max(at.end, at.start + length)});
  }
  for (const auto& [number, at] : on_host_) steps.on_host.push_back({at.start, at.end});
  choose_steps(steps, trace);
  return true;
}

}  // namespace trainyard
