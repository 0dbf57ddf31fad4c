// trainyard estimate params | flops | training-state | kv-cache | all-reduce: quick calculators that show their line.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace trainyard {

// `args` are the words after "estimate". Returns the exit code; throws boost::program_options::error on a usage error
// and InputError on a bad model.
int estimate_command(const std::vector<std::string>& args, std::ostream& out, std::ostream& err);

}  // namespace trainyard
