// One table of nccl-tests before it is believed: what was printed, and where.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/calibration/measurement_choices.hpp"
#include "analysis/calibration/measurements.hpp"

namespace trainyard {

// A figure as printed: the true value lies within `rounding`, half of the last digit.
struct PrintedNumber {
  double value = 0;
  double rounding = 0;
};

struct NcclCell {
  PrintedNumber time;                 // µs
  PrintedNumber algorithm_bandwidth;  // GB/s = 1e9 B/s
  PrintedNumber bus_bandwidth;
  bool wrong = false;  // the test's own check of the results failed
};

struct NcclRow {
  SourceLocation where;
  double size = 0;   // bytes
  double count = 0;  // elements
  std::string type;
  std::string reduction;  // "sum", "none", empty where the version does not print it
  std::optional<NcclCell> out_of_place;
  std::optional<NcclCell> in_place;
};

struct NcclRank {
  int group = 0;
  int rank = 0;
  std::string host;
  int device = 0;
  std::string name;
};

// What stands above a table.
struct NcclHeading {
  std::string operation;  // as nccl-tests names it: "all_reduce"
  MeasuredMachine machine;
  std::vector<NcclRank> ranks;
  bool ranks_elided = false;         // "..." between them
  std::int64_t ranks_per_entry = 1;  // JSON lists one rank per process
  bool per_iteration = false;        // min, max, p99 and variation of the iterations stand in further columns
  int columns_of_figures = 2;        // out of place and in place
};

struct NcclTable {
  NcclHeading heading;
  std::vector<NcclRow> rows;
};

// Checks a table and adds its samples, its machine and its notes.
void add_samples(const NcclTable& table, const std::string& file, const MeasurementChoices& choices, Measurements& all);

}  // namespace trainyard
