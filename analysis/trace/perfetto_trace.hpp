// A simulated step as a native Perfetto trace for ui.perfetto.dev: a process per pipeline stage, a track per stream it
// uses, flows from sends to receives and the allocated memory as a counter. Integer nanoseconds from the step's start.
#pragma once

#include <ostream>
#include <string>

#include "analysis/simulate.hpp"

namespace trainyard {

// Slices of a track never overlap and never reach back: both ends are rounded alike. Equal inputs, equal bytes.
void write_perfetto_trace(std::ostream& out, const Job& job, const SimulatedStep& step);

// To a file; throws std::runtime_error if it cannot be written. The second compresses with gzip.
void write_perfetto_file(const std::string& path, const Job& job, const SimulatedStep& step);
void write_perfetto_gzip_file(const std::string& path, const Job& job, const SimulatedStep& step);

}  // namespace trainyard
