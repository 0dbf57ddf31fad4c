// Output of nccl-tests and rccl-tests: text tables of every version, also with the prefixes of mpirun and srun, other
// programs' lines in between and parts left out, and the JSON that -J writes (nccl-tests 2.18 and later).
//
// Both columns, out of place and in place, become samples of NCCL's message size S. How many ranks took part is what
// the list of devices says, else what busbw / algbw says: n = 2 / (2 - f) for all-reduce and 1 / (1 - f) for gathers,
// scatters and all-to-all (nccl-tests, doc/PERFORMANCE.md); broadcast and send-receive need MeasurementChoices::ranks.
// Nodes are the distinct host names; 1, with a note, where there are none.
//
// Averages, rows of size 0 and a first row that is slowed by first use are left out, the last with a note; so are
// collectives that no training step uses (reduce, gather, scatter). InputError with the row's line: masked, negative,
// missing or non-finite figures, cut rows, figures that contradict each other, one rank, no usable row.
#pragma once

#include <string>
#include <string_view>

#include "analysis/calibration/measurement_choices.hpp"
#include "analysis/calibration/measurements.hpp"

namespace trainyard {

// `file` stands in messages, and its name helps where a table does not say which collective it is of ("…-ag-….txt").
Measurements read_nccl_log(std::string_view text, const std::string& file, const MeasurementChoices& choices);
Measurements read_nccl_json(const std::string& text, const std::string& file, const MeasurementChoices& choices);

}  // namespace trainyard
