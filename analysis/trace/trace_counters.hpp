// What a rank uses over the time of a step, as counter tracks behind those of its streams.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/trace/shown_ranks.hpp"
#include "analysis/trace/trace_sink.hpp"

namespace trainyard {

struct CounterPoint {
  std::int64_t at = 0;  // ns
  double value = 0;     // from here to the next
};
struct CounterTrack {
  std::string name;
  CounterUnit unit = CounterUnit::bytes;
  std::vector<CounterPoint> points;  // ascending, one per moment, each different from the one before
};

std::int64_t trace_nanoseconds(Seconds t);

// Memory: allocated and by owner. Links: GB/s of the messages under way (size / time of each), by the slowest link that
// they cross, collectives inside blocks aside. Multiprocessors: those that compute kernels have, and those that
// communication kernels hold (one per NCCL channel), percent.
std::vector<CounterTrack> trace_counters(const Job& job, const SimulatedStep& step, std::size_t list);

}  // namespace trainyard
