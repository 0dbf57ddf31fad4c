// Reads a trace that PyTorch's profiler (Kineto) wrote of a real run: which rank it is, and when its GPU ran what. The
// file is read as a stream, compressed or not; what is kept is 24 bytes per kernel and one sum per kernel name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/trace/real_activity.hpp"

namespace trainyard {

struct NamedTime {
  std::string name;
  Seconds time{};  // over the whole trace
  std::int64_t calls = 0;
};

struct RealTrace {
  std::string file;
  std::optional<int> rank;        // of distributedInfo, else of a file name such as "rank-3.json"
  std::optional<int> world_size;  // of distributedInfo
  std::string device_name;        // of deviceProperties; may be empty
  bool simulated = false;         // written by trainyard
  int device = 0;                 // the GPU looked at: of several, the busiest
  int devices = 1;
  std::vector<StepWindow> steps;  // those that count, ascending
  int annotated_steps = 0;        // ProfilerStep annotations in the file
  bool first_step_dropped = false;
  bool whole_span = false;               // no usable annotation: all kernels are one step
  std::vector<GpuInterval> intervals;    // of that GPU
  std::vector<NamedTime> other_kernels;  // of no known family, longest first
  Seconds kernel_time{};                 // of all kernels
  std::int64_t skipped_events = 0;       // GPU events without a sensible time

  GpuActivity activity() const { return activity_of(intervals, steps); }
};

// Steps are the ProfilerStep annotations: from the start of one on the GPU to the start of the next; if the trace has
// none on the GPU, as on the host. The first is left out if it is a warm-up: there are three or more, and it took more
// than 1.5 times the median of the others. Throws InputError, with a byte offset where there is one, for what cannot be
// read, is cut off, is no trace or holds no GPU kernel.
RealTrace read_real_trace(const std::string& path);

// Does the path end like a trace (.json, .json.gz), and does traceEvents occur at its beginning? A pipe is not looked
// into.
bool looks_like_trace(const std::string& path);

}  // namespace trainyard
