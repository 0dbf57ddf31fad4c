// What a file of measurements cannot say itself, or says of more than is wanted; empty and 0 mean "not said".
#pragma once

#include <string>

namespace trainyard {

struct MeasurementChoices {
  int ranks = 0;          // of a collective whose table does not tell
  int nodes = 0;          // overrides what host names say: GPUs of several hosts may share one NVLink domain
  std::string operation;  // of a table that does not name its collective: "all_reduce", "alltoall" …
  std::string device;     // which rows of a table of several GPUs: "H100"
  friend bool operator==(const MeasurementChoices&, const MeasurementChoices&) = default;
};

}  // namespace trainyard
