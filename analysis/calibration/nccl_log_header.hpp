// The lines above a table of nccl-tests: which collective, which GPUs, which versions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/calibration/nccl_log_table.hpp"

namespace trainyard {

std::vector<std::string_view> words_of(std::string_view line);  // at blanks and tabs

// "all_reduce" of a line that names all_reduce_perf, as a command line or as nccl-tests' own; empty without one.
std::string operation_named_in(std::string_view line);

// "2.29.3" of NCCL's version code 22903 (2804 is 2.8.4).
std::string nccl_version_text(int code);

// Whether the line opens a new run, so that a table before it has ended.
bool opens_run(std::string_view line);
// Whether it is the line of column titles.
bool names_columns(std::string_view line);

// Takes what the line says; lines that say nothing are ignored.
void read_heading_line(std::string_view line, NcclHeading& heading);

}  // namespace trainyard
