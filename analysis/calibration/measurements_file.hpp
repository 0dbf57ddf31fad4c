// A file of measurements of any kind, told apart by its content: nccl-tests (text or JSON), the microbenchmarks' JSON
// Lines, kernel tables; all of them may be gzip-compressed. "-" is standard input.
#pragma once

#include <string>
#include <vector>

#include "analysis/calibration/measurement_choices.hpp"
#include "analysis/calibration/measurements.hpp"

namespace trainyard {

// The whole file, decompressed. InputError if it is missing, a folder, unreadable, cut (gzip) or larger than 1 GiB.
std::string read_measurement_text(const std::string& path);

// InputError also for what is none of these formats: empty, binary, something else.
Measurements read_measurements_file(const std::string& path, const MeasurementChoices& choices);

// All files together. InputError if they are of different GPUs.
Measurements read_measurements(const std::vector<std::string>& paths, const MeasurementChoices& choices);

}  // namespace trainyard
