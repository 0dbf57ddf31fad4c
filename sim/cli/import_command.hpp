// trainyard import hf-config | megatron-args: configurations of other programs to YAML on stdout.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace trainyard {

// `args` are the words after "import". Returns the exit code; throws boost::program_options::error on a usage error and
// InputError on a bad file.
int import_command(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err);

// The words after "import hf-config": FILE, a Hugging Face config.json, or - for `in`. Writes a model YAML to `out` and
// what was defaulted or ignored to `err`.
int import_hf_config(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace trainyard
