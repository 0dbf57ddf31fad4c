// Records of the project's microbenchmarks: JSON Lines, one object per line. A program writes an "environment", one
// record per measurement with its median "time_s", and an "end" with their number; the outputs of several programs of
// one GPU may follow each other in one file.
//
// Left out with a note: measurements whose result was wrong ("verified": false), records of kinds that a later version
// added. Noted and kept: measurements that did not converge, and runs without their "end". InputError with the line:
// what is not JSON, another format number, measurements before any environment, records lost (their number is not that
// of "end"), two different GPUs, times or sizes that are none.
#pragma once

#include <string>
#include <string_view>

#include "analysis/calibration/measurements.hpp"

namespace trainyard {

bool is_microbench_log(std::string_view text);  // by its first line
Measurements read_microbench_log(std::string_view text, const std::string& file);

}  // namespace trainyard
