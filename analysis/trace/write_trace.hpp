// A simulated step as a timeline in any format: a process per shown rank, a track per stream it uses, idle slices that
// say what is waited for, arrows from sends to receives and along the members of a collective, memory per owner, link
// and multiprocessor use as counters, and the critical path as a process of its own.
#pragma once

#include <vector>

#include "analysis/trace/shown_ranks.hpp"
#include "analysis/trace/trace_sink.hpp"

namespace trainyard {

// Process 0 is the critical path, process 1 + i the i-th of `ranks`; track s the stream s. On the compute track slices
// and idle ones cover the step without a gap. Equal inputs, equal calls.
void write_trace(TraceSink& sink, const Job& job, const SimulatedStep& step, const std::vector<ShownRank>& ranks);

}  // namespace trainyard
