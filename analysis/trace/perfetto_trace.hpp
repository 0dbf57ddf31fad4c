// A simulated step as a native Perfetto trace for ui.perfetto.dev.
#pragma once

#include <ostream>
#include <vector>

#include "analysis/trace/shown_ranks.hpp"
#include "analysis/trace/trace_file.hpp"

namespace trainyard {

// See write_trace for what is shown. Equal inputs, equal bytes.
void write_perfetto_trace(const TextSink& sink, const Job& job, const SimulatedStep& step,
                          const std::vector<ShownRank>& ranks);

}  // namespace trainyard
