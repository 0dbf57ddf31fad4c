// The events of a trace as they come by, and what is kept of them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "analysis/trace/real_trace.hpp"

namespace trainyard {

// One element of traceEvents, as far as it matters; times in microseconds, NaN = absent.
struct RealEvent {
  std::string phase, category, name;
  double start = 0, duration = 0;
  bool has_start = false, has_duration = false;
  std::optional<std::int64_t> process, device;
  std::string collective, description;
  void clear();
};

// Takes events in any order.
class RealEvents {
 public:
  void add(const RealEvent& event);

  // Puts what was seen into the trace. False if there was no GPU kernel.
  bool finish(RealTrace& trace) const;

 private:
  struct Device {
    std::vector<GpuInterval> intervals;
    std::int64_t busy = 0;
  };
  struct Annotation {
    std::int64_t start = 0, end = 0;
  };
  struct Sum {
    std::int64_t time = 0, calls = 0;
  };
  // By number; on the GPU there is one per stream.
  using Annotations = std::map<std::int64_t, Annotation>;

  void add_kernel(const RealEvent& event, std::int64_t start, std::int64_t end);
  GpuWork work_of(const RealEvent& event);
  void note_other(const std::string& name, std::int64_t time);

  std::map<std::int64_t, Device> devices_;
  Annotations on_host_, on_gpu_;
  std::unordered_map<std::string, WorkCode> known_names_;
  std::unordered_map<std::string, Sum> other_;
  std::int64_t skipped_ = 0;
};

// The windows of steps; fills RealTrace's steps and the notes about them.
struct AnnotatedSteps {
  std::vector<StepWindow> on_gpu, on_host;  // ascending
};
void choose_steps(const AnnotatedSteps& annotated, RealTrace& trace);

}  // namespace trainyard
