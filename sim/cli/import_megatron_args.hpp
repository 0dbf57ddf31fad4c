// `trainyard import megatron-args FILE|-`: a Megatron-LM launch script becomes a scenario.
#pragma once

#include <istream>
#include <ostream>
#include <string>
#include <vector>

namespace trainyard {

// args: what follows `import megatron-args`: one file, or "-" for `in`; --help prints the usage. The scenario YAML goes
// to `out`; what was defaulted or not understood goes to `err` as comment lines. Returns the exit code: 0, or 2 for a
// usage error. Throws InputError for a command that cannot be read.
int import_megatron_args(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace trainyard
