// The trace formats of `simulate --trace FILE`, picked by the file's suffix. A new one is a row here.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "analysis/trace/perfetto_trace.hpp"

namespace trainyard {

struct Exporter {
  std::string_view suffix;
  std::string_view summary;
  void (*write)(const std::string& path, const Job& job, const SimulatedStep& step);
};

inline constexpr std::array exporters = {
    Exporter{".pftrace", "Perfetto protobuf, for ui.perfetto.dev", write_perfetto_file},
    Exporter{".pftrace.gz", "the same, compressed", write_perfetto_gzip_file},
};

// The row whose suffix the path ends with, or nullptr. The path must have more than the suffix.
constexpr const Exporter* exporter_for(std::string_view path) {
  for (const Exporter& exporter : exporters)
    if (path.size() > exporter.suffix.size() && path.ends_with(exporter.suffix)) return &exporter;
  return nullptr;
}

}  // namespace trainyard
