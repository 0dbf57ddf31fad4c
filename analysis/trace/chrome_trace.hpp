// A simulated step in the Trace Event Format (JSON) that chrome://tracing, Perfetto, speedscope and other viewers read.
#pragma once

#include <vector>

#include "analysis/trace/shown_ranks.hpp"
#include "analysis/trace/trace_file.hpp"

namespace trainyard {

// See write_trace for what is shown. Times are microseconds with three decimals: whole nanoseconds. Equal inputs, equal
// bytes.
void write_chrome_trace(const TextSink& sink, const Job& job, const SimulatedStep& step,
                        const std::vector<ShownRank>& ranks);

}  // namespace trainyard
