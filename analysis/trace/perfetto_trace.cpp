#include "analysis/trace/perfetto_trace.hpp"

#include "analysis/trace/perfetto_packets.hpp"
#include "analysis/trace/write_trace.hpp"

namespace trainyard {

void write_perfetto_trace(const TextSink& sink, const Job& job, const SimulatedStep& step,
                          const std::vector<ShownRank>& ranks) {
  PerfettoPackets packets(sink);
  write_trace(packets, job, step, ranks);
}

}  // namespace trainyard
