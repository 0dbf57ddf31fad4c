// trainyard validate RUNS.csv: predict published or own measured runs and print the error per group.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace trainyard {

// `args` are the words after "validate". Returns the exit code; throws boost::program_options::error on a usage error
// and InputError on a bad table, rule file or profile.
int validate_command(const std::vector<std::string>& args, std::ostream& out, std::ostream& err);

}  // namespace trainyard
