// The formats of `simulate --trace FILE`, picked by the file's suffix. A new one is a row here.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/trace/chrome_trace.hpp"
#include "analysis/trace/perfetto_trace.hpp"

namespace trainyard {

struct Exporter {
  std::string_view suffix;
  std::string_view summary;
  void (*write)(const TextSink& sink, const Job& job, const SimulatedStep& step, const std::vector<ShownRank>& ranks);
  bool gzip = false;
};

inline constexpr std::array exporters = {
    Exporter{".pftrace", "Perfetto protobuf, for ui.perfetto.dev", write_perfetto_trace},
    Exporter{".pftrace.gz", "the same, compressed", write_perfetto_trace, true},
    Exporter{".json", "Trace Event Format, for other viewers", write_chrome_trace},
    Exporter{".json.gz", "the same, compressed", write_chrome_trace, true},
};

// The row whose suffix the path ends with, or nullptr. The path must have more than the suffix.
constexpr const Exporter* exporter_for(std::string_view path) {
  for (const Exporter& exporter : exporters)
    if (path.size() > exporter.suffix.size() && path.ends_with(exporter.suffix)) return &exporter;
  return nullptr;
}

inline void export_trace(const Exporter& exporter, const std::string& path, const Job& job, const SimulatedStep& step,
                         const std::vector<ShownRank>& ranks) {
  write_trace_file(path, exporter.gzip, [&](const TextSink& sink) { exporter.write(sink, job, step, ranks); });
}

}  // namespace trainyard
