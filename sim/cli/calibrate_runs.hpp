// trainyard calibrate --runs RUNS.csv: own measured steps correct the constants that they can determine.
#pragma once

#include <boost/program_options.hpp>
#include <iosfwd>

namespace trainyard {

// Options read: runs (a table with the columns of `validate`), output (profile to write; "-" = `out`, the report then
// goes to `err`), name, json, profile (one part to start from). Returns the exit code: 1 where no row can be used.
// Throws InputError and boost::program_options::error.
int calibrate_runs(const boost::program_options::variables_map& given, std::ostream& out, std::ostream& err);

}  // namespace trainyard
