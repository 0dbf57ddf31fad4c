// trainyard calibrate FILE...: measurements of one's own machine to a profile that the other commands read.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace trainyard {

// `args` are the words after "calibrate". Returns the exit code: 1 if the measurements determine no constant. Throws
// boost::program_options::error on a usage error and InputError on files that are no measurements.
int calibrate_command(const std::vector<std::string>& args, std::ostream& out, std::ostream& err);

}  // namespace trainyard
