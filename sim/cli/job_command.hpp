// trainyard job SCENARIO --tokens N: a whole training job with varying machines, failures and checkpoints.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "analysis/job/job_step.hpp"
#include "analysis/simulate.hpp"

namespace trainyard {

// See Command::run. Exit code 3 also if the failures leave no progress.
int job_command(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err);

// What the job simulation needs of a simulated step. A checkpoint holds that many bytes per parameter; with a sharded
// optimizer all GPUs write equal parts of it, else one data-parallel replica writes it.
JobStep job_step(const Job& job, const SimulatedStep& step, double checkpoint_bytes_per_parameter);

}  // namespace trainyard
