// A simulated step beside what a profiler saw of a real one, term by term. Both sides are taken by one definition
// (real_activity.hpp) from intervals of kernels: the prediction's from the instructions of the same ranks.
#pragma once

#include <string>
#include <vector>

#include "analysis/simulate.hpp"
#include "analysis/text_layout.hpp"
#include "analysis/trace/real_trace.hpp"

namespace trainyard {

// One trace, its intervals summed up and gone.
struct MeasuredGpu {
  RealTrace trace;  // without intervals
  GpuActivity activity;
};
MeasuredGpu measured_gpu(const std::string& path);

struct MeasuredTerm {
  std::string key;    // "exposed_tp_all_gather"; its JSON key ends with _s
  std::string title;  // "tp all-gather"
  int level = 0;      // of the outline: 0 the step, 1 its parts, 2 their parts
  // One of those that the step's difference comes from: kinds of compute, exposed collectives, copies, idle.
  bool leaf = false;
  Seconds predicted{}, measured{};
  Seconds difference() const { return measured - predicted; }
};
// A collective's own time, hidden or not.
struct MeasuredCollective {
  std::string key, title;
  WorkTime predicted, measured;
};

struct RealComparison {
  std::string scenario;
  std::vector<RealTrace> traces;  // without intervals
  std::vector<MeasuredTerm> terms;
  std::vector<MeasuredCollective> collectives;
  std::vector<NamedTime> other_kernels;  // of all traces, longest first
  Seconds kernel_time{};                 // of all traces
  std::vector<std::string> notes;        // what was assumed; sentences without a full stop
  std::string largest;                   // a sentence about the leaf that differs most

  const MeasuredTerm* term(const std::string& key) const;  // nullptr if there is none
};

// `step`: at operator granularity. The mean over the traces, and over their ranks of the simulated step; a trace that
// names no rank is compared with rank 0. Throws InputError for a rank that the job does not have, or that two traces
// have.
RealComparison real_comparison(const Job& job, const SimulatedStep& step, const std::vector<MeasuredGpu>& gpus);

std::string real_comparison_text(const RealComparison& comparison, const TextStyle& style);
// {"schema_version", "scenario", "traces": […], "terms": [{term, predicted_s, measured_s, difference_s, relative}],
//  "collectives": […], "other_kernels": […], "largest", "notes"}
std::string real_comparison_json(const RealComparison& comparison);

}  // namespace trainyard
