// The collectives, how nccl-tests counts their bytes, and its text table: same columns, so that whatever reads
// nccl-tests' output reads ours. Definitions: doc/PERFORMANCE.md of nccl-tests. Host code only, without NCCL.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

namespace microbench {

enum class Collective { all_reduce, all_gather, reduce_scatter, alltoall, broadcast, sendrecv };

struct CollectiveName {
  Collective collective;
  const char* name;
};
constexpr std::array<CollectiveName, 6> kCollectives{{{Collective::all_reduce, "all_reduce"},
                                                      {Collective::all_gather, "all_gather"},
                                                      {Collective::reduce_scatter, "reduce_scatter"},
                                                      {Collective::alltoall, "alltoall"},
                                                      {Collective::broadcast, "broadcast"},
                                                      {Collective::sendrecv, "sendrecv"}}};

inline std::optional<Collective> find_collective(const std::string& name) {
  for (const CollectiveName& entry : kCollectives)
    if (name == entry.name) return entry.collective;
  return std::nullopt;
}

inline std::string collective_name(Collective collective) {
  for (const CollectiveName& entry : kCollectives)
    if (entry.collective == collective) return entry.name;
  return "unknown";
}

// Elements that one rank sends and receives, and the count that the table prints and NCCL is called with.
struct ElementCounts {
  std::size_t send = 0;
  std::size_t receive = 0;
  std::size_t parameter = 0;
  friend bool operator==(const ElementCounts& a, const ElementCounts& b) {
    return a.send == b.send && a.receive == b.receive && a.parameter == b.parameter;
  }
};

// Of a message of `bytes`. Where it is split over the ranks each share is rounded down to 16 bytes, NCCL's widest
// access.
inline ElementCounts element_counts(Collective collective, std::size_t bytes, std::size_t element_bytes, int ranks) {
  constexpr std::size_t kAlignment = 16;
  const std::size_t n = static_cast<std::size_t>(ranks);
  const std::size_t count = bytes / element_bytes;
  const std::size_t elements_aligned = kAlignment / element_bytes;
  const std::size_t share = count / n / elements_aligned * elements_aligned;
  switch (collective) {
    case Collective::all_gather:
      return {share, share * n, share};
    case Collective::reduce_scatter:
      return {share * n, share, share};
    case Collective::alltoall:
      return {share * n, share * n, share};
    case Collective::all_reduce:
    case Collective::broadcast:
    case Collective::sendrecv:
      break;
  }
  return {count, count, count};
}

// The size that the table prints, NCCL's message size S: the larger of what a rank sends and receives.
inline std::size_t message_bytes(const ElementCounts& counts, std::size_t element_bytes) {
  return (counts.send > counts.receive ? counts.send : counts.receive) * element_bytes;
}

// Bus bandwidth over algorithm bandwidth (size / time): what makes the figure comparable with a link's rate whatever
// the number of ranks.
inline double bus_bandwidth_factor(Collective collective, int ranks) {
  const double n = ranks;
  switch (collective) {
    case Collective::all_reduce:
      return 2 * (n - 1) / n;
    case Collective::all_gather:
    case Collective::reduce_scatter:
    case Collective::alltoall:
      return (n - 1) / n;
    case Collective::broadcast:
    case Collective::sendrecv:
      break;
  }
  return 1;
}

inline bool reduces(Collective collective) {
  return collective == Collective::all_reduce || collective == Collective::reduce_scatter;
}

// nccl-tests passes the operation through sendrecv and prints it there too.
inline std::string operation_column(Collective collective, const std::string& operation) {
  return reduces(collective) || collective == Collective::sendrecv ? operation : "none";
}

inline int root_column(Collective collective) { return collective == Collective::broadcast ? 0 : -1; }

// alltoall and sendrecv have no in-place form: what is sent would be overwritten by what is received. The table gives
// the time of a call on one buffer and N/A for its result.
inline bool has_in_place_result(Collective collective) {
  return collective != Collective::alltoall && collective != Collective::sendrecv;
}

// One side of a row.
struct CollectiveTime {
  double seconds = 0;
  std::optional<std::int64_t> wrong;  // elements; nothing where they were not checked
};

// "13.67", "1211.2", "37610", "1.9e+07": as many decimals, two at most, as the width holds.
inline std::string column_number(double value, int width) {
  int digits = 0;
  for (double power = 1; value >= power && digits <= width; power *= 10) ++digits;
  char text[64];
  if (digits > width) {
    std::snprintf(text, sizeof text, "%*.1e", width, value);
  } else {
    const int decimals = digits < width - 2 ? 2 : digits < width - 1 ? 1 : 0;
    std::snprintf(text, sizeof text, "%*.*f", width, decimals, value);
  }
  return text;
}

inline double algorithm_bandwidth(std::size_t bytes, double seconds) {
  return seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
}

// "  time(us)  algbw(GB/s)  busbw(GB/s)  #wrong"
inline std::string time_columns(const CollectiveTime& time, std::size_t bytes, double factor) {
  constexpr double kMicroseconds = 1e6;
  constexpr double kGigabyte = 1e9;
  const double bandwidth = algorithm_bandwidth(bytes, time.seconds) / kGigabyte;
  const std::string wrong = time.wrong ? std::to_string(*time.wrong) : "N/A";
  char text[128];
  std::snprintf(text, sizeof text, "  %7s  %6s  %6s  %6s", column_number(time.seconds * kMicroseconds, 7).c_str(),
                column_number(bandwidth, 6).c_str(), column_number(bandwidth * factor, 6).c_str(), wrong.c_str());
  return text;
}

struct RowKey {
  Collective collective = Collective::all_reduce;
  ElementCounts counts;
  std::size_t element_bytes = 4;
  std::string type = "float";
  std::string operation = "sum";
  int ranks = 1;
};

inline std::string table_row(const RowKey& key, const CollectiveTime& out_of_place, const CollectiveTime& in_place) {
  const std::size_t bytes = message_bytes(key.counts, key.element_bytes);
  const double factor = bus_bandwidth_factor(key.collective, key.ranks);
  char text[128];
  std::snprintf(text, sizeof text, "%12zu  %12zu  %8s  %6s  %6d", bytes, key.counts.parameter, key.type.c_str(),
                operation_column(key.collective, key.operation).c_str(), root_column(key.collective));
  return text + time_columns(out_of_place, bytes, factor) + time_columns(in_place, bytes, factor);
}

// The three lines above the rows.
inline std::string table_header() {
  char text[512];
  std::snprintf(text, sizeof text,
                "#\n"
                "# %10s  %12s  %8s  %6s  %6s           out-of-place                       in-place          \n"
                "# %10s  %12s  %8s  %6s  %6s  %7s  %6s  %6s  %6s  %7s  %6s  %6s  %6s\n"
                "# %10s  %12s  %8s  %6s  %6s  %7s  %6s  %6s  %6s  %7s  %6s  %6s  %6s\n",
                "", "", "", "", "", "size", "count", "type", "redop", "root", "time", "algbw", "busbw", "#wrong",
                "time", "algbw", "busbw", "#wrong", "(B)", "(elements)", "", "", "", "(us)", "(GB/s)", "(GB/s)", "",
                "(us)", "(GB/s)", "(GB/s)", "");
  return text;
}

// The two lines below them. `average` in GB/s.
inline std::string table_footer(std::int64_t wrong, double average) {
  char text[160];
  std::snprintf(text, sizeof text, "# %-20s : %lld %s\n# %-20s : %g \n#\n", "Out of bounds values",
                static_cast<long long>(wrong), wrong == 0 ? "OK" : "FAILED", "Avg bus bandwidth", average);
  return text;
}

struct DeviceLine {
  int rank = 0;
  int process = 0;
  std::string host;
  int device = 0;
  int pci_domain = 0;
  int pci_bus = 0;
  int pci_device = 0;
  std::string name;
};

inline std::string device_line(const DeviceLine& line) {
  char text[512];
  std::snprintf(text, sizeof text, "#  Rank %2d Group %2d Pid %6d on %10s device %2d [%04x:%02x:%02x] %s", line.rank, 0,
                line.process, line.host.c_str(), line.device, static_cast<unsigned>(line.pci_domain),
                static_cast<unsigned>(line.pci_bus), static_cast<unsigned>(line.pci_device), line.name.c_str());
  return text;
}

struct TableSettings {
  int gpus_per_process = 1;
  std::size_t smallest = 0;
  std::size_t largest = 0;
  int factor = 2;
  int warm_up = 0;
  int iterations = 0;
  bool check = true;
};

inline std::string settings_line(const TableSettings& s) {
  char text[256];
  std::snprintf(
      text, sizeof text,
      "# nThread 1 nGpus %d minBytes %zu maxBytes %zu step: %d(factor) warmup iters: %d iters: %d agg iters: 1 "
      "validation: %d graph: 0",
      s.gpus_per_process, s.smallest, s.largest, s.factor, s.warm_up, s.iterations, s.check ? 1 : 0);
  return text;
}

}  // namespace microbench
