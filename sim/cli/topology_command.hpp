// trainyard topology FILE|-: what a node's links look like and what crosses what.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace trainyard {

// FILE is a capture of `nvidia-smi topo -m`, an NCCL topology XML (told apart by content), a cluster YAML or a preset's
// name; "-" reads from `in`. Throws boost::program_options::error for bad usage and InputError for bad input.
int topology_command(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace trainyard
